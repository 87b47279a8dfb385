#include "json.h"

#include <string.h>

#define DEEPEST 64  /* nesting within one value; msgspec accepts more, and reads what is refused here */
#define LONGEST 15  /* decimal digits that a double holds exactly (DBL_DIG) */
#define WIDEST 40   /* characters of a number that is skipped */

static const uint64_t ONES = 0x0101010101010101u, HIGHS = 0x8080808080808080u;

/* The high bit of each byte that is `"`, `\` or a control character, found in eight bytes at once (the zero-byte test of
   "Hacker's Delight", section 6-1). The lowest set bit is exact. Higher ones may be wrong, because a subtraction borrows
   from the next byte; but a borrow only starts at a marked byte, and the caller uses the lowest bit alone. */
static inline uint64_t marked(uint64_t word) {
    uint64_t quote = word ^ (ONES * '"'), slash = word ^ (ONES * '\\');
    return ((quote - ONES) | (slash - ONES) | (word - ONES * ' ')) & ~word & HIGHS;
}

/* The first byte that `marked` finds. `seen` collects the high bits of the bytes before it: was it all ASCII? */
static inline const uint8_t *next_mark(const uint8_t *at, const uint8_t *end, uint64_t *seen) {
    while (end - at >= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        uint64_t marks = marked(word);
        if (marks) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
            *seen |= word & ((marks & -marks) - 1);
            return at + (__builtin_ctzll(marks) >> 3);
#else
            break;
#endif
        }
        *seen |= word;
        at += 8;
    }
    while (at < end && *at != '"' && *at != '\\' && *at >= ' ') *seen |= *at++;
    return at;
}

bool read_string(Cursor *text, Span *found) {
    if (!take(text, '"')) return false;
    const uint8_t *at = text->at;
    uint64_t seen = 0;
    found->from = at;
    found->escaped = false;
    for (;;) {
        at = next_mark(at, text->end, &seen);
        if (at >= text->end || *at < ' ') return false;
        if (*at == '"') break;
        found->escaped = true;
        if (text->end - at < 2) return false;
        at += 2;
    }
    found->high = (seen & HIGHS) != 0;
    found->length = at - found->from;
    text->at = at + 1;
    return true;
}

static inline bool is_digit(uint8_t byte) { return (uint8_t)(byte - '0') < 10; }

static const uint8_t *past_digits(const uint8_t *at, const uint8_t *end) {
    while (at < end && is_digit(*at)) at++;
    return at;
}

/* The end of a whole number without sign, as JSON has it: no leading zero. NULL where there is none. */
static const uint8_t *past_whole(const uint8_t *at, const uint8_t *end) {
    const uint8_t *behind = past_digits(at, end);
    return behind == at || (*at == '0' && behind - at > 1) ? NULL : behind;
}

bool read_number(Cursor *text, Span *found) {
    skip_space(text);
    const uint8_t *at = text->at, *end = text->end;
    found->from = at;
    found->escaped = found->high = false;
    at = past_whole(at + (at < end && *at == '-'), end);
    if (at == NULL) return false;
    if (at < end && *at == '.') {
        const uint8_t *first = at + 1;
        at = past_digits(first, end);
        if (at == first) return false;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        at += at < end && (*at == '+' || *at == '-');
        const uint8_t *first = at;
        at = past_digits(first, end);
        if (at == first) return false;
    }
    found->length = at - found->from;
    text->at = at;
    return at < end;
}

bool read_decimal(Cursor *text, Decimal *found) {
    skip_space(text);
    const uint8_t *at = text->at, *end = text->end;
    found->negative = at < end && *at == '-';
    const uint8_t *first = at + found->negative, *point = past_whole(first, end);
    if (point == NULL || point - first > LONGEST) return false;
    ptrdiff_t room = LONGEST - (point - first);
    int64_t digits = 0;
    for (at = first; at < point; at++) digits = digits * 10 + (*at - '0');
    found->decimals = 0;
    if (at < end && *at == '.') {
        first = at + 1;
        at = past_digits(first, end);
        if (at == first || at - first > room) return false;
        found->decimals = (int)(at - first);
        for (const uint8_t *next = first; next < at; next++) digits = digits * 10 + (*next - '0');
    }
    /* A number at the end of the text may be cut off. One with an exponent is left to the general reader. */
    if (at >= end || *at == 'e' || *at == 'E') return false;
    found->digits = digits;
    text->at = at;
    return true;
}

bool take_word(Cursor *text, const char *word) {
    size_t length = strlen(word);
    skip_space(text);
    if ((size_t)(text->end - text->at) < length || memcmp(text->at, word, length) != 0) return false;
    text->at += length;
    return true;
}

int32_t hexadecimal(const uint8_t *at, const uint8_t *end) {
    int32_t found = 0;
    if (end - at < 4) return -1;
    for (int place = 0; place < 4; place++) {
        uint8_t byte = at[place], letter = byte | 0x20;
        if (is_digit(byte)) found = found << 4 | (byte - '0');
        else if (letter >= 'a' && letter <= 'f') found = found << 4 | (letter - 'a' + 10);
        else return -1;
    }
    return found;
}

/* The end of a `\u` escape, or of the surrogate pair that begins with it. `at` is its `u`. NULL for half a pair. */
static const uint8_t *past_unicode(const uint8_t *at, const uint8_t *end) {
    int32_t found = hexadecimal(at + 1, end);
    if (found < 0 || (found >= 0xDC00 && found < 0xE000)) return NULL;
    at += 5;
    if (found < 0xD800 || found >= 0xE000) return at;
    if (end - at < 6 || at[0] != '\\' || at[1] != 'u') return NULL;
    found = hexadecimal(at + 2, end);
    return found >= 0xDC00 && found < 0xE000 ? at + 6 : NULL;
}

bool paired_surrogates(const uint8_t *at, const uint8_t *end) {
    while (at < end && (at = memchr(at, '\\', (size_t)(end - at))) != NULL) {
        if (++at >= end) break;
        if (*at != 'u') {
            at++;
        } else if ((at = past_unicode(at, end)) == NULL) {
            return false;
        }
    }
    return true;
}

static bool sound_escapes(const Span *span) {
    const uint8_t *at = span->from, *end = at + span->length;
    while ((at = memchr(at, '\\', (size_t)(end - at))) != NULL) {
        if (++at >= end || *at == 0) return false;
        if (*at == 'u') {
            at = past_unicode(at, end);
            if (at == NULL) return false;
        } else if (strchr("\"\\/bfnrt", *at++) == NULL) {
            return false;
        }
        if (at >= end) break;
    }
    return true;
}

static bool skip_text(Cursor *text) {
    Span passed;
    return read_string(text, &passed) && (!passed.escaped || sound_escapes(&passed));
}

static bool has_exponent(const Span *number) {
    return memchr(number->from, 'e', (size_t)number->length) || memchr(number->from, 'E', (size_t)number->length);
}

static bool skip_members(Cursor *text, int depth) {
    if (take(text, '}')) return true;
    do {
        if (!skip_text(text) || !take(text, ':') || !skip_value(text, depth)) return false;
    } while (take(text, ','));
    return take(text, '}');
}

static bool skip_elements(Cursor *text, int depth) {
    if (take(text, ']')) return true;
    do {
        if (!skip_value(text, depth)) return false;
    } while (take(text, ','));
    return take(text, ']');
}

bool skip_value(Cursor *text, int depth) {
    Span number;
    skip_space(text);
    if (text->at >= text->end || depth > DEEPEST) return false;
    switch (*text->at) {
    case '"':
        return skip_text(text);
    case '{':
        text->at++;
        return skip_members(text, depth + 1);
    case '[':
        text->at++;
        return skip_elements(text, depth + 1);
    case 't':
        return take_word(text, "true");
    case 'f':
        return take_word(text, "false");
    case 'n':
        return take_word(text, "null");
    default:
        /* An exponent may make it too large for a double. The general reader decides on those. */
        return read_number(text, &number) && number.length <= WIDEST && !has_exponent(&number);
    }
}

bool skip_flat_array(Cursor *text) {
    skip_space(text);
    if (text->at >= text->end || *text->at != '[') return skip_value(text, 1);
    const uint8_t *inside = text->at + 1;
    const uint8_t *close = memchr(inside, ']', (size_t)(text->end - inside));
    if (close == NULL || memchr(inside, '[', (size_t)(close - inside)) != NULL) return skip_value(text, 1);
    text->at = close + 1;
    return true;
}
