// SPDX-License-Identifier: MIT
/* A page of HTML that needs nothing else: its style is in it, light and dark. */
#include <inttypes.h>
#include <string.h>

#include "bench/html.h"

static const char style[] =
    ":root{color-scheme:light dark;--ink:#1d2228;--soft:#5c6670;--line:#d8dde2;--page:#fff;"
    "--card:#f6f8fa}\n"
    "@media(prefers-color-scheme:dark){:root{--ink:#dfe3e7;--soft:#98a2ac;--line:#3a424a;"
    "--page:#14181c;--card:#1c2126}}\n"
    "body{margin:0 auto;padding:1.5rem;max-width:76rem;background:var(--page);color:var(--ink);"
    "font:16px/1.5 system-ui,sans-serif}\n"
    "h1{font-size:1.6rem;margin:0 0 .3rem}\n"
    "h2{font-size:1.2rem;margin:2.5rem 0 .5rem;padding-top:1rem;border-top:1px solid var(--line)}\n"
    "p{margin:.4rem 0;color:var(--soft)}\n"
    ".legend{display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;margin:.5rem 0;padding:0;"
    "list-style:none;font-size:.9rem}\n"
    ".legend i{display:inline-block;width:.8em;height:.8em;margin-right:.4em;border-radius:2px}\n"
    ".plots{display:grid;gap:1rem;grid-template-columns:1fr 1fr}\n"
    "@media(max-width:40rem){.plots{grid-template-columns:1fr}}\n"
    "figure{margin:0;padding:.8rem;background:var(--card);border:1px solid var(--line);"
    "border-radius:6px}\n"
    "figcaption{font-size:.85rem;color:var(--soft)}\n"
    "figcaption b{display:block;font-size:1rem;color:var(--ink)}\n"
    "svg{display:block;width:100%;height:auto}\n"
    "svg [fill=black]{fill:var(--ink)}svg [stroke=black]{stroke:var(--soft)}"
    "svg [color=black]{color:var(--soft)}svg [stroke=gray]{stroke:var(--line)}\n"
    ".wide{overflow-x:auto;margin-top:1rem}\n"
    "table{border-collapse:collapse;font-size:.85rem;font-variant-numeric:tabular-nums;"
    "white-space:nowrap}\n"
    "td,th{padding:.15rem .6rem;text-align:right;border-bottom:1px solid var(--line)}\n"
    "th{font-weight:600;color:var(--soft)}td:nth-child(2),th:nth-child(2){text-align:left}\n";

void html_text(FILE *out, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '&':
            fputs("&amp;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        default:
            fputc(*text, out);
        }
    }
}

void html_begin(FILE *out, const char *title)
{
    fprintf(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                 "<meta name=\"viewport\" content=\"width=device-width\">\n<title>");
    html_text(out, title);
    fprintf(out, "</title>\n<style>\n%s</style>\n</head>\n<body>\n", style);
}

void html_end(FILE *out)
{
    fprintf(out, "</body>\n</html>\n");
}

void html_legend_entry(FILE *out, uint32_t rgb, const char *name)
{
    fprintf(out, "<li><i style=\"background:#%06" PRIx32 "\"></i>", rgb);
    html_text(out, name);
    fprintf(out, "</li>\n");
}

void html_svg(FILE *out, char **svgs)
{
    char *begin = strstr(*svgs, "<svg"), *end = begin ? strstr(begin, "</svg>") : NULL, *line,
         *next;

    if (!end) {
        return;
    }
    end += strlen("</svg>");
    for (line = begin; line < end; line = next) {
        next = memchr(line, '\n', (size_t)(end - line));
        next = next ? next + 1 : end;
        if (strncmp(line, "<title>", 7) && strncmp(line, "<desc>", 6)) {
            fwrite(line, 1, (size_t)(next - line), out);
        }
    }
    *svgs = end;
}
