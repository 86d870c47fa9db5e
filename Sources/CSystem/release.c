#ifdef __linux__
#define _GNU_SOURCE  // dl_iterate_phdr
#endif
#include "csystem.h"

#ifdef __linux__
#include <link.h>
#include <stdbool.h>
#include <sys/auxv.h>
#include <sys/mman.h>

// Whether the loader wrote to segments that are not writable (elf(5)): the file has them otherwise.
static bool has_relocated_text(const struct dl_phdr_info *object) {
    for (int i = 0; i < object->dlpi_phnum; i++) {
        if (object->dlpi_phdr[i].p_type != PT_DYNAMIC) continue;
        const ElfW(Dyn) *entry = (const ElfW(Dyn) *)(object->dlpi_addr + object->dlpi_phdr[i].p_vaddr);
        for (; entry->d_tag != DT_NULL; entry++) {
            if (entry->d_tag == DT_TEXTREL) return true;
            if (entry->d_tag == DT_FLAGS && (entry->d_un.d_val & DF_TEXTREL)) return true;
        }
    }
    return false;
}

static int release_object(struct dl_phdr_info *object, size_t size, void *page_size) {
    (void)size;
    ElfW(Addr) page = *(const ElfW(Addr) *)page_size;
    // The kernel's own, which is no file.
    if (object->dlpi_addr == getauxval(AT_SYSINFO_EHDR) || has_relocated_text(object)) return 0;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W)) continue;
        ElfW(Addr) start = object->dlpi_addr + segment->p_vaddr, end = start + segment->p_filesz;
        // What a page shares with another segment stays.
        start = (start + page - 1) & ~(page - 1);
        end &= ~(page - 1);
        if (end > start) madvise((void *)start, end - start, MADV_DONTNEED);
    }
    return 0;
}

void csystem_release_startup_pages(void) {
    ElfW(Addr) page = getauxval(AT_PAGESZ);
    if (page) dl_iterate_phdr(release_object, &page);
}

#else

void csystem_release_startup_pages(void) {
}

#endif
