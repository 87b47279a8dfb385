/* Convert strings of a document to Python's str. */
#ifndef TURNKEEPER_TEXT_H
#define TURNKEEPER_TEXT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "json.h"

/* A new str. NULL without an exception where the bytes are not valid, with one where memory is short. */
PyObject *text_of(const Span *span);

#endif
