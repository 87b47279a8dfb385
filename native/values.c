#include "values.h"

#include <float.h>
#include <string.h>

#include "text.h"

#define FURTHEST 100000000000 /* seconds; what is beyond is no time of a conversation, and could overflow below */

/* Where doubles are computed with more digits than they store (x87), a division rounds twice. */
#define ROUNDS_ONCE (FLT_EVAL_METHOD >= 0 && FLT_EVAL_METHOD != 2)

int form_of(const char *word) {
    static const char *const words[] = {"text", "name", "millis", "fraction", "whole", "length"};
    for (int form = TEXT; form <= LENGTH; form++)
        if (strcmp(word, words[form]) == 0) return form;
    PyErr_Format(PyExc_ValueError, "%s is no form", word);
    return -1;
}

static PyObject *name_of(Known *known, const Span *span) {
    if (span->escaped || span->high || span->length == 0 || span->length > (Py_ssize_t)sizeof known->name[0].bytes)
        return text_of(span);
    size_t length = (size_t)span->length;
    uint32_t hash = (uint32_t)length;
    hash = hash * 31 + span->from[0];
    hash = hash * 31 + span->from[length / 2];
    hash = hash * 31 + span->from[length - 1];
    Name *name = &known->name[hash % NAMES];
    if (name->made && name->length == span->length && memcmp(name->bytes, span->from, length) == 0)
        return Py_NewRef(name->made);
    PyObject *made = text_of(span);
    if (made != NULL) {
        Py_XSETREF(name->made, Py_NewRef(made));
        name->length = span->length;
        memcpy(name->bytes, span->from, length);
    }
    return made;
}

/* A phrase often contains the same text twice, plain and decorated. It is created once. */
static PyObject *said_text(Known *known, const Span *span) {
    if (known->text && known->said.length == span->length &&
        memcmp(known->said.from, span->from, (size_t)span->length) == 0)
        return Py_NewRef(known->text);
    PyObject *made = text_of(span);
    if (made != NULL) {
        Py_XSETREF(known->text, Py_NewRef(made));
        known->said = *span;
    }
    return made;
}

static const int64_t POWERS[] = {
    1,
    10,
    100,
    1000,
    10000,
    100000,
    1000000,
    10000000,
    100000000,
    1000000000,
    10000000000,
    100000000000,
    1000000000000,
    10000000000000,
    100000000000000,
    1000000000000000,
};

/* Up to 15 digits and powers of ten up to 10^15 are exact as doubles, and one division rounds once. So the result is the
   nearest double (Clinger, 1990), as every correct reader gives. `-0` is a whole number, which has one zero; `-0.0` keeps
   its sign. */
static PyObject *short_fraction(Known *known, const Decimal *decimal) {
    double value = (double)decimal->digits / (double)POWERS[decimal->decimals];
    if (decimal->negative && (decimal->digits || decimal->decimals)) return PyFloat_FromDouble(-value);
    Number *number = &known->number[((uint64_t)decimal->digits * 7 + (uint64_t)decimal->decimals) % NUMBERS];
    if (number->made && number->decimal.digits == decimal->digits && number->decimal.decimals == decimal->decimals)
        return Py_NewRef(number->made);
    PyObject *made = PyFloat_FromDouble(value);
    if (made != NULL) {
        Py_XSETREF(number->made, Py_NewRef(made));
        number->decimal = *decimal;
    }
    return made;
}

static PyObject *long_fraction(Cursor *text) {
    Span span;
    char digits[48];
    if (!read_number(text, &span) || span.length >= (Py_ssize_t)sizeof digits) return NULL;
    memcpy(digits, span.from, (size_t)span.length);
    digits[span.length] = '\0';
    double value = PyOS_string_to_double(digits, NULL, NULL);
    if (value - value != 0) return NULL; /* infinite */
    return PyErr_Occurred() ? NULL : PyFloat_FromDouble(value);
}

static PyObject *fraction_of(Known *known, Cursor *text) {
    Cursor again = *text;
    Decimal decimal;
    if (read_decimal(text, &decimal) && (ROUNDS_ONCE || !decimal.decimals)) return short_fraction(known, &decimal);
    *text = again;
    return long_fraction(text);
}

/* Decimal seconds as milliseconds, halves up (towards the future). Python's equal, `times.milliseconds`, rounds the
   shortest decimal of a double. With at most 15 digits that is the decimal as written, so both agree. */
static PyObject *millis_of(const Decimal *decimal) {
    int64_t whole;
    int64_t digits = decimal->negative ? -decimal->digits : decimal->digits;
    if (decimal->digits / POWERS[decimal->decimals] >= FURTHEST) return NULL;
    if (decimal->decimals <= 3) {
        whole = digits * POWERS[3 - decimal->decimals];
    } else {
        int64_t part = POWERS[decimal->decimals - 3], above = digits + part / 2;
        whole = above / part - (above % part < 0);
    }
    return PyLong_FromLongLong(whole);
}

static PyObject *whole_of(const Decimal *decimal, bool negative) {
    if (decimal->decimals || (decimal->negative && !negative)) return NULL;
    return PyLong_FromLongLong(decimal->negative ? -decimal->digits : decimal->digits);
}

PyObject *value_of(Known *known, Form form, Cursor *text) {
    Span span;
    Decimal decimal;
    if (form <= NAME) {
        if (!read_string(text, &span)) return NULL;
        return form == TEXT ? said_text(known, &span) : name_of(known, &span);
    }
    if (form == FRACTION) return fraction_of(known, text);
    if (!read_decimal(text, &decimal)) return NULL;
    return form == MILLIS ? millis_of(&decimal) : whole_of(&decimal, form == WHOLE);
}

void forget_text(Known *known) { Py_CLEAR(known->text); }

void forget(Known *known) {
    forget_text(known);
    for (int index = 0; index < NAMES; index++) Py_CLEAR(known->name[index].made);
    for (int index = 0; index < NUMBERS; index++) Py_CLEAR(known->number[index].made);
}
