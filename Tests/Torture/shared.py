"""A few numbers that all processes of a run see: a page of memory from before they were forked."""
import mmap, struct

# Of the run: 0 a storm, 1 it is over and what was begun ends, 2 the clients rest.
NAMES = "phase", "storm", "port", "generation", "disturbed", "lag", "over", "open", "login_needed", "exchanges", "answers", "is_up", "held", "whole"


class Shared:
    def __init__(self):
        self.memory = mmap.mmap(-1, 4096)
        self.at = {name: 8 * i for i, name in enumerate(NAMES)}

    def get(self, name):
        return struct.unpack_from("d", self.memory, self.at[name])[0]

    def set(self, name, value):
        struct.pack_into("d", self.memory, self.at[name], value)
