// #embed is C23: the files are compiled in, and compiled again when they change.
#pragma clang diagnostic ignored "-Wc23-extensions"

#include "inspector_page.h"

static const unsigned char index_html[] = {
#embed "Web/index.html"
};
static const unsigned char style_css[] = {
#embed "Web/style.css"
};
static const unsigned char detail_css[] = {
#embed "Web/detail.css"
};
static const unsigned char icon_svg[] = {
#embed "Web/icon.svg"
};
static const unsigned char app_js[] = {
#embed "Web/app.js"
};
static const unsigned char api_js[] = {
#embed "Web/api.js"
};
static const unsigned char route_js[] = {
#embed "Web/route.js"
};
static const unsigned char keys_js[] = {
#embed "Web/keys.js"
};
static const unsigned char prefs_js[] = {
#embed "Web/prefs.js"
};
static const unsigned char feed_js[] = {
#embed "Web/feed.js"
};
static const unsigned char store_js[] = {
#embed "Web/store.js"
};
static const unsigned char filter_js[] = {
#embed "Web/filter.js"
};
static const unsigned char view_js[] = {
#embed "Web/view.js"
};
static const unsigned char filterbox_js[] = {
#embed "Web/filterbox.js"
};
static const unsigned char help_js[] = {
#embed "Web/help.js"
};
static const unsigned char settings_js[] = {
#embed "Web/settings.js"
};
static const unsigned char states_js[] = {
#embed "Web/states.js"
};
static const unsigned char talk_js[] = {
#embed "Web/talk.js"
};
static const unsigned char splitter_js[] = {
#embed "Web/splitter.js"
};
static const unsigned char list_js[] = {
#embed "Web/list.js"
};
static const unsigned char session_js[] = {
#embed "Web/session.js"
};
static const unsigned char strip_js[] = {
#embed "Web/strip.js"
};
static const unsigned char exchange_js[] = {
#embed "Web/exchange.js"
};
static const unsigned char story_js[] = {
#embed "Web/story.js"
};
static const unsigned char headers_js[] = {
#embed "Web/headers.js"
};
static const unsigned char explain_js[] = {
#embed "Web/explain.js"
};
static const unsigned char body_js[] = {
#embed "Web/body.js"
};
static const unsigned char json_js[] = {
#embed "Web/json.js"
};
static const unsigned char hex_js[] = {
#embed "Web/hex.js"
};
static const unsigned char messages_js[] = {
#embed "Web/messages.js"
};
static const unsigned char diff_js[] = {
#embed "Web/diff.js"
};
static const unsigned char composer_js[] = {
#embed "Web/composer.js"
};
static const unsigned char copy_js[] = {
#embed "Web/copy.js"
};
static const unsigned char text_js[] = {
#embed "Web/text.js"
};
static const unsigned char dom_js[] = {
#embed "Web/dom.js"
};
static const unsigned char octets_js[] = {
#embed "Web/octets.js"
};
static const unsigned char panes_js[] = {
#embed "Web/panes.js"
};
static const unsigned char tree_js[] = {
#embed "Web/tree.js"
};
static const unsigned char compare_js[] = {
#embed "Web/compare.js"
};
static const unsigned char sides_js[] = {
#embed "Web/sides.js"
};
static const unsigned char actions_js[] = {
#embed "Web/actions.js"
};
static const unsigned char copymenu_js[] = {
#embed "Web/copymenu.js"
};

#define SCRIPT(name) {#name ".js", "text/javascript; charset=utf-8", name##_js, sizeof name##_js}

static const inspector_page_file files[] = {
    {"index.html", "text/html; charset=utf-8", index_html, sizeof index_html},
    {"style.css", "text/css; charset=utf-8", style_css, sizeof style_css},
    {"detail.css", "text/css; charset=utf-8", detail_css, sizeof detail_css},
    {"icon.svg", "image/svg+xml", icon_svg, sizeof icon_svg},
    SCRIPT(app),
    SCRIPT(api),
    SCRIPT(route),
    SCRIPT(keys),
    SCRIPT(prefs),
    SCRIPT(feed),
    SCRIPT(store),
    SCRIPT(filter),
    SCRIPT(view),
    SCRIPT(filterbox),
    SCRIPT(help),
    SCRIPT(settings),
    SCRIPT(states),
    SCRIPT(talk),
    SCRIPT(splitter),
    SCRIPT(list),
    SCRIPT(session),
    SCRIPT(strip),
    SCRIPT(exchange),
    SCRIPT(story),
    SCRIPT(headers),
    SCRIPT(explain),
    SCRIPT(body),
    SCRIPT(json),
    SCRIPT(hex),
    SCRIPT(messages),
    SCRIPT(diff),
    SCRIPT(composer),
    SCRIPT(copy),
    SCRIPT(text),
    SCRIPT(octets),
    SCRIPT(panes),
    SCRIPT(tree),
    SCRIPT(compare),
    SCRIPT(sides),
    SCRIPT(actions),
    SCRIPT(copymenu),
    SCRIPT(dom),
};

const inspector_page_file *inspector_page_files(size_t *count) {
    *count = sizeof files / sizeof files[0];
    return files;
}
