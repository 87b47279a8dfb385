/* Read arrays of objects into columns.

   A `Reader` knows the fields: their keys and forms. It reads JSON of the usual form and refuses everything else (None).
   The caller then asks the general reader. What a `Reader` gives always equals what the general reader gives. Only
   functions of Python's API are used, never the layout of its objects. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "json.h"
#include "values.h"

#define MOST 16 /* fields */
#define PASSED 4

typedef struct {
    char quoted[72]; /* the key with its quotes */
    Py_ssize_t length;
    uint64_t first, mask; /* its first eight bytes, and which of them count */
    char inner[40]; /* the value is an object, and this key of it is wanted; empty: the value itself is */
    Py_ssize_t inner_length;
    Form form;
    bool nullable;
    PyObject *absent; /* the value for a missing key; NULL: the key is required */
} Field;

typedef struct {
    PyObject_HEAD
    int fields;
    Field field[MOST];
    int passing; /* how many keys of arrays may be skipped without a look inside */
    char passed[PASSED][40];
    Known known;
} Reader;

/* ---- one object ---- */

static PyObject *plain_value(Reader *self, const Field *field, Cursor *text) {
    skip_space(text);
    if (field->nullable && text->at < text->end && *text->at == 'n')
        return take_word(text, "null") ? Py_NewRef(Py_None) : NULL;
    return value_of(&self->known, field->form, text);
}

/* {"milliseconds": 1200}: the value of one key of an object. The other keys are skipped. */
static PyObject *inner_value(Reader *self, const Field *field, Cursor *text) {
    PyObject *found = NULL;
    Span key;
    if (!take(text, '{')) return NULL;
    do {
        if (!read_string(text, &key) || key.escaped || !take(text, ':')) goto refused;
        if (key.length == field->inner_length && memcmp(key.from, field->inner, (size_t)key.length) == 0) {
            if (found != NULL || (found = value_of(&self->known, field->form, text)) == NULL) goto refused;
        } else if (!skip_value(text, 1)) {
            goto refused;
        }
    } while (take(text, ','));
    if (take(text, '}')) return found;
refused:
    Py_XDECREF(found);
    return NULL;
}

static inline bool is_key(const Field *field, const Cursor *text, uint64_t first) {
    return ((first ^ field->first) & field->mask) == 0 && text->end - text->at > field->length &&
           (field->length <= 8 || memcmp(text->at + 8, field->quoted + 8, (size_t)field->length - 8) == 0);
}

/* The index of the field that the key at the cursor names; -1 for another key, -2 where there is no plain key. Writers
   mostly keep one order of keys, so the field behind the last one is tried first. Eight bytes are compared at once. */
static int field_at(const Reader *self, Cursor *text, int expected, Span *key) {
    skip_space(text);
    /* Fewer bytes can hardly be a key, a value and the closing brackets, and eight are loaded at once. */
    if (text->end - text->at < 8) return -2;
    uint64_t first;
    memcpy(&first, text->at, 8);
    for (int tried = 0; tried < self->fields; tried++) {
        int index = expected + tried < self->fields ? expected + tried : expected + tried - self->fields;
        if (is_key(&self->field[index], text, first)) {
            text->at += self->field[index].length;
            return index;
        }
    }
    return read_string(text, key) && !key->escaped ? -1 : -2;
}

static bool pass_over(const Reader *self, Cursor *text, const Span *key, bool strict) {
    for (int index = 0; !strict && index < self->passing; index++) {
        const char *known = self->passed[index];
        if (strlen(known) == (size_t)key->length && memcmp(known, key->from, (size_t)key->length) == 0)
            return skip_flat_array(text);
    }
    return skip_value(text, 1);
}

static bool members(Reader *self, Cursor *text, PyObject **found, bool strict) {
    int expected = 0;
    Span key;
    do {
        int index = field_at(self, text, expected, &key);
        if (index == -2 || !take(text, ':')) return false;
        if (index < 0) {
            if (!pass_over(self, text, &key, strict)) return false;
            continue;
        }
        const Field *field = &self->field[index];
        if (found[index] != NULL) return false; /* a repeated key: the general reader decides which one counts */
        found[index] = field->inner_length ? inner_value(self, field, text) : plain_value(self, field, text);
        if (found[index] == NULL) return false;
        expected = index + 1;
    } while (take(text, ','));
    return take(text, '}');
}

static bool complete(const Reader *self, PyObject **found) {
    for (int index = 0; index < self->fields; index++) {
        if (found[index] == NULL) found[index] = Py_XNewRef(self->field[index].absent);
        if (found[index] == NULL) return false;
    }
    return true;
}

/* All fields of one object, each a new reference. Where false is returned, no reference is held. */
static bool row(Reader *self, Cursor *text, PyObject **found, bool strict) {
    /* A loop: a call of memset for so few pointers took longer than the rest of a short row. */
    for (int index = 0; index < self->fields; index++) found[index] = NULL;
    bool read = take(text, '{') && (take(text, '}') || members(self, text, found, strict));
    if (read && complete(self, found)) return true;
    for (int index = 0; index < self->fields; index++) Py_CLEAR(found[index]);
    return false;
}

/* ---- the whole array ---- */

static bool append(PyObject *list, PyObject *made) {
    if (made == NULL) return false;
    int done = PyList_Append(list, made);
    Py_DECREF(made);
    return done == 0;
}

static bool append_columns(Reader *self, Cursor *text, PyObject *columns, bool strict) {
    PyObject *found[MOST];
    do {
        if (!row(self, text, found, strict)) return false;
        bool done = true;
        for (int index = 0; index < self->fields; index++)
            done = append(PyTuple_GET_ITEM(columns, index), found[index]) && done;
        if (!done) return false;
    } while (take(text, ','));
    return take(text, ']');
}

static PyObject *lists(int count) {
    PyObject *made = PyTuple_New(count);
    for (int index = 0; made != NULL && index < count; index++) {
        PyObject *list = PyList_New(0);
        if (list == NULL) {
            Py_CLEAR(made);
        } else {
            PyTuple_SET_ITEM(made, index, list);
        }
    }
    return made;
}

/* (text, at, strict) -> (tuple of lists, where the array ended) | None */
static PyObject *reader_columns(PyObject *object, PyObject *args) {
    Reader *self = (Reader *)object;
    Py_buffer view;
    Py_ssize_t at;
    int strict;
    if (!PyArg_ParseTuple(args, "y*np", &view, &at, &strict)) return NULL;
    PyObject *columns = lists(self->fields);
    bool done = false;
    if (columns != NULL && at >= 0 && at < view.len) { /* the pointer of an empty view may be NULL */
        Cursor text = {(const uint8_t *)view.buf + at, (const uint8_t *)view.buf + view.len};
        done = take(&text, '[') && (take(&text, ']') || append_columns(self, &text, columns, strict));
        at = text.at - (const uint8_t *)view.buf;
    }
    forget_text(&self->known);
    PyBuffer_Release(&view);
    if (done) return Py_BuildValue("Nn", columns, at);
    Py_XDECREF(columns);
    if (PyErr_Occurred()) return NULL;
    Py_RETURN_NONE;
}

/* ---- the reader ---- */

static bool copied(char *into, Py_ssize_t *length, size_t room, const char *from, const char *around) {
    size_t needed = strlen(from) + 2 * strlen(around);
    if (needed >= room) {
        PyErr_Format(PyExc_ValueError, "%s is too long a key", from);
        return false;
    }
    PyOS_snprintf(into, room, "%s%s%s", around, from, around);
    *length = (Py_ssize_t)needed;
    return true;
}

static bool within(int count, int most, const char *what) {
    if (count < most) return true;
    PyErr_Format(PyExc_ValueError, "more than %d %s", most, what);
    return false;
}

/* Keys are compared byte by byte, so one with escapes could never match, and a second equal one would be ignored. */
static bool is_new_key(const Reader *self, const char *key) {
    const Field *field = &self->field[self->fields];
    bool plain = true, known = false;
    for (const char *at = key; *at; at++) plain = plain && *at != '"' && *at != '\\' && (unsigned char)*at >= ' ';
    for (int index = 0; index < self->fields; index++)
        known = known || strcmp(self->field[index].quoted, field->quoted) == 0;
    if (plain && !known) return true;
    PyErr_Format(PyExc_ValueError, known ? "%s is a key twice" : "%s is no key without escapes", key);
    return false;
}

/* (key, inner key or "", form, nullable, value for a missing key or Ellipsis where the key is required) */
static bool add_field(Reader *self, PyObject *told) {
    const char *key, *inner, *form;
    PyObject *absent;
    int nullable;
    if (!PyTuple_Check(told)) {
        PyErr_Format(PyExc_TypeError, "%R is no tuple", told);
        return false;
    }
    if (!within(self->fields, MOST, "fields") ||
        !PyArg_ParseTuple(told, "ssspO", &key, &inner, &form, &nullable, &absent))
        return false;
    Field *field = &self->field[self->fields];
    int which = form_of(form);
    if (which < 0 || !copied(field->quoted, &field->length, sizeof field->quoted, key, "\"") ||
        !copied(field->inner, &field->inner_length, sizeof field->inner, inner, "") || !is_new_key(self, key))
        return false;
    size_t known = field->length < 8 ? (size_t)field->length : 8;
    memcpy(&field->first, field->quoted, known);
    memset(&field->mask, 0xFF, known);
    field->form = (Form)which;
    field->nullable = nullable;
    field->absent = absent == Py_Ellipsis ? NULL : Py_NewRef(absent);
    self->fields++;
    return true;
}

static bool add_passed(Reader *self, PyObject *keys) {
    for (Py_ssize_t index = 0; index < PyTuple_GET_SIZE(keys); index++) {
        Py_ssize_t length;
        const char *key = within(self->passing, PASSED, "keys to pass over") ? PyUnicode_AsUTF8(PyTuple_GET_ITEM(keys, index)) : NULL;
        if (key == NULL || !copied(self->passed[index], &length, sizeof self->passed[0], key, "")) return false;
        self->passing++;
    }
    return true;
}

static bool fill(Reader *self, PyObject *fields, PyObject *passed) {
    for (Py_ssize_t index = 0; index < PyTuple_GET_SIZE(fields); index++)
        if (!add_field(self, PyTuple_GET_ITEM(fields, index))) return false;
    if (self->fields > 0) return add_passed(self, passed);
    PyErr_SetString(PyExc_ValueError, "no fields");
    return false;
}

static PyObject *reader_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    static char *words[] = {"fields", "passed", NULL};
    PyObject *fields, *passed;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!O!", words, &PyTuple_Type, &fields, &PyTuple_Type, &passed))
        return NULL;
    Reader *self = (Reader *)type->tp_alloc(type, 0);
    if (self != NULL && !fill(self, fields, passed)) Py_CLEAR(self);
    return (PyObject *)self;
}

static void reader_dealloc(PyObject *object) {
    Reader *self = (Reader *)object;
    PyTypeObject *type = Py_TYPE(object);
    for (int index = 0; index < self->fields; index++) Py_CLEAR(self->field[index].absent);
    forget(&self->known);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef reader_methods[] = {
    {"columns", reader_columns, METH_VARARGS, "columns(text, at, strict) -> (tuple of lists, end) | None"},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot reader_slots[] = {
    {Py_tp_new, reader_new},
    {Py_tp_dealloc, reader_dealloc},
    {Py_tp_methods, reader_methods},
    {Py_tp_doc, "Reads arrays of plain objects into columns."},
    {0, NULL},
};

PyType_Spec reader_spec = {
    .name = "turnkeeper.jsonstream._native.Reader",
    .basicsize = sizeof(Reader),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = reader_slots,
};
