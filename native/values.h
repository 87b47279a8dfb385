/* Values of a document as Python's, in the forms that a field may have. */
#ifndef TURNKEEPER_VALUES_H
#define TURNKEEPER_VALUES_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "json.h"

#define NAMES 64    /* short strings that are remembered: speakers, channels */
#define NUMBERS 256 /* fractions that are remembered: confidences */

/* str; str that comes again and again; decimal seconds to milliseconds; float; int; int of zero or more */
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

/* What was made before and may be given again. */
typedef struct {
    Name name[NAMES];
    Number number[NUMBERS];
    PyObject *text; /* the last one */
    Span said;      /* its bytes, within the text being read */
} Known;

/* The form of this name, -1 with an exception where there is none. */
int form_of(const char *word);

/* The value at the cursor as a new reference. NULL: without an exception where it is not plain, with one where memory
   is short. */
PyObject *value_of(Known *known, Form form, Cursor *text);

/* The last text, before the bytes it was made of go. */
void forget_text(Known *known);

void forget(Known *known);

#endif
