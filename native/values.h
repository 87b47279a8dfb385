/* Convert values of a document to Python's, in the forms that a field may have. */
#ifndef TURNKEEPER_VALUES_H
#define TURNKEEPER_VALUES_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "json.h"

#define NAMES 64    /* cached short strings: speakers, channels */
#define NUMBERS 256 /* cached fractions: confidences */

/* str; str that is repeated often; decimal seconds as milliseconds; float; int; int of zero or more */
typedef enum { TEXT, NAME, MILLIS, FRACTION, WHOLE, LENGTH } Form;

typedef struct {
    PyObject *made;
    Py_ssize_t length;
    char bytes[48];
} Name;

typedef struct {
    PyObject *made;
    Decimal decimal;
} Number;

/* Objects made before that can be given again: creating them is most of the cost of a row. */
typedef struct {
    Name name[NAMES];
    Number number[NUMBERS];
    PyObject *text; /* the last text */
    Span said;      /* its bytes, within the text being read */
} Known;

/* The form of this name; -1 with an exception for an unknown one. */
int form_of(const char *word);

/* The value at the cursor as a new reference. NULL without an exception where it is not of the usual form, with one where
   memory is short. */
PyObject *value_of(Known *known, Form form, Cursor *text);

/* Drop the last text. Call it before the bytes that it was made of are released. */
void forget_text(Known *known);

void forget(Known *known);

#endif
