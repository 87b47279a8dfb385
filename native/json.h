/* Read JSON from left to right. What is not of the usual form is refused, never guessed: the caller has another reader. */
#ifndef TURNKEEPER_JSON_H
#define TURNKEEPER_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    const uint8_t *at;
    const uint8_t *end;
} Cursor;

/* The bytes of a string without its quotes, or of a number. `high`: a byte may be above 127. */
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

/* Consume this byte and any space before it; false where another byte is next. */
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

/* Each of these consumes what it reads and returns true, or returns false and leaves the cursor anywhere. */
bool read_string(Cursor *text, Span *found);
bool read_decimal(Cursor *text, Decimal *found);
bool read_number(Cursor *text, Span *found);
bool take_word(Cursor *text, const char *word);
bool skip_value(Cursor *text, int depth);
bool skip_flat_array(Cursor *text);

/* Whether every escaped surrogate is part of a pair. Invalid escapes are ignored: the decoder refuses those. */
bool paired_surrogates(const uint8_t *at, const uint8_t *end);

/* The number that four hexadecimal digits make; -1 where there are fewer. */
int32_t hexadecimal(const uint8_t *at, const uint8_t *end);

#endif
