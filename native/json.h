/* Reading JSON from left to right. Whatever is not plain is refused, never guessed: the caller has another reader. */
#ifndef TURNKEEPER_JSON_H
#define TURNKEEPER_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    const uint8_t *at;
    const uint8_t *end;
} Cursor;

/* A string's bytes without its quotes, or a number's. `high`: some byte may be above 127. */
typedef struct {
    const uint8_t *from;
    ptrdiff_t length;
    bool escaped;
    bool high;
} Span;

/* (-1 if negative) * digits / 10**decimals, exactly as written. */
typedef struct {
    int64_t digits;
    int decimals;
    bool negative;
} Decimal;

static inline bool is_space(uint8_t byte) { return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t'; }

static inline void skip_space(Cursor *text) {
    while (text->at < text->end && is_space(*text->at)) text->at++;
}

/* Whether the next byte, behind any space, is this one; it is passed then. */
static inline bool take(Cursor *text, uint8_t byte) {
    if (text->at < text->end && *text->at > ' ') {
        if (*text->at != byte) return false;
    } else {
        skip_space(text);
        if (text->at >= text->end || *text->at != byte) return false;
    }
    text->at++;
    return true;
}

/* Each of these passes what it reads and says true, or says false and leaves the cursor anywhere. */
bool read_string(Cursor *text, Span *found);
bool read_decimal(Cursor *text, Decimal *found);
bool read_number(Cursor *text, Span *found);
bool take_word(Cursor *text, const char *word);
bool skip_value(Cursor *text, int depth);
bool skip_flat_array(Cursor *text);

/* Whether every escaped surrogate stands in a pair. Bytes behind a backslash that are no escape count as none. */
bool paired_surrogates(const uint8_t *at, const uint8_t *end);

/* Four hexadecimal digits as a number, -1 where there are not four. */
int32_t hexadecimal(const uint8_t *at, const uint8_t *end);

#endif
