#include "text.h"

#include <string.h>

static const uint64_t ONES = 0x0101010101010101u, HIGHS = 0x8080808080808080u;

/* The number of characters of a UTF-8 text, and the highest code point of the narrowest kind of str that holds them (PEP
   393). Bytes from 0xF0 lead characters beyond U+FFFF, bytes from 0xC4 those beyond U+00FF. Eight bytes are counted at
   once. Does not check whether the text is UTF-8. */
static Py_ssize_t measured(const uint8_t *at, Py_ssize_t length, Py_UCS4 *widest) {
    uint64_t word, high = 0, wide = 0, widest_yet = 0;
    Py_ssize_t following = 0;
    for (Py_ssize_t left = length; left > 0; left -= 8, at += 8) {
        word = 0;
        if (left >= 8) memcpy(&word, at, 8);
        else memcpy(&word, at, (size_t)left);
        if ((word & HIGHS) == 0) continue;
        uint64_t leads = word & word << 1 & HIGHS;
        following += (Py_ssize_t)((((word & ~(word << 1) & HIGHS) >> 7) * ONES) >> 56);
        high |= word;
        wide |= leads & (word << 2 | word << 3 | word << 4 | word << 5);
        widest_yet |= leads & word << 2 & word << 3;
    }
    *widest = widest_yet ? 0x10FFFF : wide ? 0xFFFF : high ? 0xFF : 0x7F;
    return length - following;
}

/* Consume one character. A number above Unicode's last where the bytes are not UTF-8. */
static inline Py_UCS4 character(const uint8_t **at, const uint8_t *end) {
    static const Py_UCS4 wrong = 0xFFFFFFFF;
    const uint8_t *from = *at;
    uint8_t lead = from[0];
    if (lead < 0x80) {
        *at = from + 1;
        return lead;
    }
    int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
    if (lead < 0xC2 || lead > 0xF4 || end - from <= more) return wrong;
    Py_UCS4 found = lead & (0x3F >> more);
    for (int next = 1; next <= more; next++) {
        if ((from[next] & 0xC0) != 0x80) return wrong;
        found = found << 6 | (from[next] & 0x3F);
    }
    static const Py_UCS4 least[] = {0, 0x80, 0x800, 0x10000};
    if (found < least[more] || found > 0x10FFFF || (found >= 0xD800 && found < 0xE000)) return wrong;
    *at = from + more + 1;
    return found;
}

/* The number of ASCII bytes before the first other one, of the eight at `at`. */
static inline int ascii_run(const uint8_t *at) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint64_t word;
    memcpy(&word, at, 8);
    word &= HIGHS;
    return word ? __builtin_ctzll(word) >> 3 : 8;
#else
    int run = 0;
    while (run < 8 && at[run] < 0x80) run++;
    return run;
#endif
}

/* Eight bytes are copied where eight fit, whether or not all are ASCII. The wrong ones are overwritten by what follows.
   Copying a fixed number lets the compiler use one vector instruction. */
#define FILLED(NAME, TYPE)                                                                       \
    static bool NAME(TYPE *into, Py_ssize_t count, const uint8_t *at, const uint8_t *end) {      \
        TYPE *last = into + count;                                                               \
        while (into < last && at < end) {                                                        \
            while (last - into >= 8 && end - at >= 8) {                                          \
                int run = ascii_run(at);                                                         \
                for (int place = 0; place < 8; place++) into[place] = at[place];                 \
                into += run;                                                                     \
                at += run;                                                                       \
                if (run < 8) break;                                                              \
            }                                                                                    \
            do {                                                                                 \
                if (into == last || at == end) break;                                            \
                Py_UCS4 found = character(&at, end);                                             \
                if (found > 0x10FFFF) return false;                                              \
                *into++ = (TYPE)found;                                                           \
            } while (at < end && *at >= 0x80);                                                   \
        }                                                                                        \
        return into == last && at == end;                                                        \
    }

FILLED(filled_1, Py_UCS1)
FILLED(filled_2, Py_UCS2)
FILLED(filled_4, Py_UCS4)

static PyObject *decoded(const uint8_t *from, Py_ssize_t length) {
    Py_UCS4 widest;
    Py_ssize_t count = measured(from, length, &widest);
    PyObject *made = PyUnicode_New(count, widest);
    if (made == NULL || length == 0) return made;
    const uint8_t *end = from + length;
    bool sound = true;
    if (widest == 0x7F)
        memcpy(PyUnicode_1BYTE_DATA(made), from, (size_t)length);
    else if (widest == 0xFF)
        sound = filled_1(PyUnicode_1BYTE_DATA(made), count, from, end);
    else if (widest == 0xFFFF)
        sound = filled_2(PyUnicode_2BYTE_DATA(made), count, from, end);
    else
        sound = filled_4(PyUnicode_4BYTE_DATA(made), count, from, end);
    if (!sound) Py_CLEAR(made);
    return made;
}

static uint8_t *put(uint8_t *into, Py_UCS4 found) {
    if (found < 0x80) {
        *into++ = (uint8_t)found;
    } else if (found < 0x800) {
        *into++ = (uint8_t)(0xC0 | found >> 6);
        *into++ = (uint8_t)(0x80 | (found & 0x3F));
    } else if (found < 0x10000) {
        *into++ = (uint8_t)(0xE0 | found >> 12);
        *into++ = (uint8_t)(0x80 | (found >> 6 & 0x3F));
        *into++ = (uint8_t)(0x80 | (found & 0x3F));
    } else {
        *into++ = (uint8_t)(0xF0 | found >> 18);
        *into++ = (uint8_t)(0x80 | (found >> 12 & 0x3F));
        *into++ = (uint8_t)(0x80 | (found >> 6 & 0x3F));
        *into++ = (uint8_t)(0x80 | (found & 0x3F));
    }
    return into;
}

/* The character of a `\u` escape, whose `u` is at `*at`; -1 for half a surrogate pair and for an invalid escape. */
static int32_t escaped(const uint8_t **at, const uint8_t *end) {
    int32_t found = hexadecimal(*at + 1, end);
    if (found < 0) return -1;
    *at += 5;
    if (found < 0xD800 || found >= 0xE000) return found;
    if (found >= 0xDC00 || end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u') return -1;
    int32_t low = hexadecimal(*at + 2, end);
    *at += 6;
    if (low < 0xDC00 || low >= 0xE000) return -1;
    return 0x10000 + ((found - 0xD800) << 10 | (low - 0xDC00));
}

/* Write the text with its escapes resolved to `into`, which is as long as the span: an escape is never shorter than its
   UTF-8. Returns the length, or -1 for an invalid escape. */
static Py_ssize_t unescaped(const Span *span, uint8_t *into) {
    static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    const uint8_t *at = span->from, *end = at + span->length;
    uint8_t *out = into;
    while (at < end) {
        const uint8_t *slash = memchr(at, '\\', (size_t)(end - at));
        size_t plain = (size_t)((slash ? slash : end) - at);
        memcpy(out, at, plain);
        out += plain;
        at += plain;
        if (at >= end) break;
        if (++at >= end) return -1;
        if (*at == 'u') {
            int32_t found = escaped(&at, end);
            if (found < 0) return -1;
            out = put(out, (Py_UCS4)found);
            continue;
        }
        const char *letter = *at ? strchr(letters, *at) : NULL;
        if (letter == NULL) return -1;
        *out++ = (uint8_t)meant[letter - letters];
        at++;
    }
    return out - into;
}

PyObject *text_of(const Span *span) {
    if (!span->escaped) {
        if (span->high) return decoded(span->from, span->length);
        PyObject *made = PyUnicode_New(span->length, 0x7F);
        if (made != NULL && span->length) memcpy(PyUnicode_1BYTE_DATA(made), span->from, (size_t)span->length);
        return made;
    }
    uint8_t *plain = PyMem_Malloc((size_t)span->length);
    if (plain == NULL) return PyErr_NoMemory();
    Py_ssize_t length = unescaped(span, plain);
    PyObject *made = length < 0 ? NULL : decoded(plain, length);
    PyMem_Free(plain);
    return made;
}
