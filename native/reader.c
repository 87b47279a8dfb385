/* Arrays of plain objects, read straight into the places of Python objects, or into columns.

   A `Reader` is told the type, which of its members come from which key and in which form, and what the others hold. It
   gives what is of the usual form and refuses all else (None), so that whoever called asks the general reader: what is
   given is what that one would have given. */
#include "slots.h"

#include "json.h"
#include "values.h"

#define MOST 16 /* fields, and members that are the same in every object */
#define PASSED 4

typedef struct {
    char quoted[72]; /* the key with its quotes */
    Py_ssize_t length;
    uint64_t first, mask; /* its first eight bytes, and which of them count */
    char inner[40]; /* the value stands under this key of an object; empty: it is the value itself */
    Py_ssize_t inner_length;
    Form form;
    bool nullable;
    PyObject *absent; /* NULL: the key has to be there */
    Py_ssize_t offset;
} Field;

typedef struct {
    PyObject_HEAD
    PyTypeObject *kind;
    int fields;
    Field field[MOST];
    int constants;
    PyObject *constant[MOST];
    Py_ssize_t place[MOST];
    int passing; /* keys of arrays that may be passed over unseen */
    char passed[PASSED][40];
    int rising[2]; /* two fields of which the second is refused where it is less; -1: none */
    Known known;
} Reader;

/* ---- one object ---- */

static PyObject *plain_value(Reader *self, const Field *field, Cursor *text, int64_t *whole) {
    skip_space(text);
    if (field->nullable && text->at < text->end && *text->at == 'n')
        return take_word(text, "null") ? Py_NewRef(Py_None) : NULL;
    return value_of(&self->known, field->form, text, whole);
}

/* {"milliseconds": 1200}: the value under one key, the others passed. */
static PyObject *inner_value(Reader *self, const Field *field, Cursor *text, int64_t *whole) {
    PyObject *found = NULL;
    Span key;
    if (!take(text, '{')) return NULL;
    do {
        if (!read_string(text, &key) || key.escaped || !take(text, ':')) goto refused;
        if (key.length == field->inner_length && memcmp(key.from, field->inner, (size_t)key.length) == 0) {
            if (found != NULL || (found = value_of(&self->known, field->form, text, whole)) == NULL) goto refused;
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

/* The field that the key at the cursor names, -1 for another key, -2 for what is no plain key. Keys mostly come in one
   order: the expected one is tried first. */
static int field_at(const Reader *self, Cursor *text, int expected, Span *key) {
    skip_space(text);
    if (text->end - text->at < 8) return -2; /* a key, its value and two brackets do not fit, or hardly */
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

static bool members(Reader *self, Cursor *text, PyObject **found, int64_t *whole, bool strict) {
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
        if (found[index] != NULL) return false; /* a key that comes twice */
        found[index] = field->inner_length ? inner_value(self, field, text, &whole[index])
                                           : plain_value(self, field, text, &whole[index]);
        if (found[index] == NULL) return false;
        expected = index + 1;
    } while (take(text, ','));
    return take(text, '}');
}

static bool complete(const Reader *self, PyObject **found, const int64_t *whole) {
    for (int index = 0; index < self->fields; index++) {
        if (found[index] == NULL) found[index] = Py_XNewRef(self->field[index].absent);
        if (found[index] == NULL) return false;
    }
    return self->rising[0] < 0 || whole[self->rising[0]] <= whole[self->rising[1]];
}

/* All fields of one object, each a new reference; where false is said, there are none. */
static bool row(Reader *self, Cursor *text, PyObject **found, bool strict) {
    int64_t whole[MOST];
    /* One by one: a memset of so few takes longer than the rest of a short row. */
    for (int index = 0; index < self->fields; index++) found[index] = NULL, whole[index] = 0;
    bool read = take(text, '{') && (take(text, '}') || members(self, text, found, whole, strict));
    if (read && complete(self, found, whole)) return true;
    for (int index = 0; index < self->fields; index++) Py_CLEAR(found[index]);
    return false;
}

/* An object of the type. It takes over the references, also where there is no memory for it. */
static PyObject *object_of(const Reader *self, PyObject **found) {
    PyObject *made = self->kind->tp_alloc(self->kind, 0);
    if (made == NULL) {
        for (int index = 0; index < self->fields; index++) Py_CLEAR(found[index]);
        return NULL;
    }
    for (int index = 0; index < self->fields; index++) *slot(made, self->field[index].offset) = found[index];
    for (int index = 0; index < self->constants; index++)
        *slot(made, self->place[index]) = Py_NewRef(self->constant[index]);
    return made;
}

/* ---- the whole array ---- */

static bool append(PyObject *list, PyObject *made) {
    if (made == NULL) return false;
    int done = PyList_Append(list, made);
    Py_DECREF(made);
    return done == 0;
}

static bool append_objects(Reader *self, Cursor *text, PyObject *list, bool strict) {
    PyObject *found[MOST];
    do {
        if (!row(self, text, found, strict) || !append(list, object_of(self, found))) return false;
    } while (take(text, ','));
    return take(text, ']');
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

typedef bool (*Append)(Reader *, Cursor *, PyObject *, bool);

/* (text, at, strict) -> (what was read, where the array ended) | None */
static PyObject *read_array(Reader *self, PyObject *args, PyObject *into, Append append_all) {
    Py_buffer view;
    Py_ssize_t at;
    int strict;
    if (into == NULL || !PyArg_ParseTuple(args, "y*np", &view, &at, &strict)) {
        Py_XDECREF(into);
        return NULL;
    }
    bool done = false;
    if (at >= 0 && at < view.len) { /* an empty view may be of nothing at all, to which nothing can be added */
        Cursor text = {(const uint8_t *)view.buf + at, (const uint8_t *)view.buf + view.len};
        done = take(&text, '[') && (take(&text, ']') || append_all(self, &text, into, strict));
        at = text.at - (const uint8_t *)view.buf;
    }
    PyBuffer_Release(&view);
    if (done) return Py_BuildValue("Nn", into, at);
    Py_DECREF(into);
    if (PyErr_Occurred()) return NULL;
    Py_RETURN_NONE;
}

static PyObject *reader_objects(PyObject *self, PyObject *args) {
    return read_array((Reader *)self, args, PyList_New(0), append_objects);
}

static PyObject *reader_columns(PyObject *self, PyObject *args) {
    return read_array((Reader *)self, args, lists(((Reader *)self)->fields), append_columns);
}

/* Columns, as `columns` gave them, as objects after all. */
static PyObject *reader_built(PyObject *object, PyObject *columns) {
    Reader *self = (Reader *)object;
    PyObject *found[MOST];
    Py_ssize_t count = -1;
    bool sound = PyTuple_Check(columns) && PyTuple_GET_SIZE(columns) == self->fields && self->fields > 0;
    for (int index = 0; sound && index < self->fields; index++) {
        PyObject *list = PyTuple_GET_ITEM(columns, index);
        sound = PyList_Check(list) && (count < 0 || PyList_GET_SIZE(list) == count);
        if (sound) count = PyList_GET_SIZE(list);
    }
    if (!sound) return PyErr_Format(PyExc_TypeError, "not the columns of this reader");
    PyObject *made = PyList_New(0);
    for (Py_ssize_t at = 0; made != NULL && at < count; at++) {
        for (int index = 0; index < self->fields; index++)
            found[index] = Py_NewRef(PyList_GET_ITEM(PyTuple_GET_ITEM(columns, index), at));
        if (!append(made, object_of(self, found))) Py_CLEAR(made);
    }
    return made;
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

/* Where a member lies that nothing fills yet, -1 with an exception. */
static Py_ssize_t free_place(const Reader *self, const char *member) {
    Py_ssize_t offset = slot_offset(self->kind, member);
    bool taken = false;
    for (int index = 0; index < self->fields; index++) taken = taken || self->field[index].offset == offset;
    for (int index = 0; index < self->constants; index++) taken = taken || self->place[index] == offset;
    if (offset < 0 || !taken) return offset;
    PyErr_Format(PyExc_TypeError, "%s is filled twice", member);
    return -1;
}

/* A key is compared as it is spelled, and found only once. */
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

/* (key, inner key or "", member, form, nullable, absent or Ellipsis where the key has to be there) */
static bool add_field(Reader *self, PyObject *told) {
    const char *key, *inner, *member, *form;
    PyObject *absent;
    int nullable;
    if (!PyTuple_Check(told)) {
        PyErr_Format(PyExc_TypeError, "%R is no tuple", told);
        return false;
    }
    if (!within(self->fields, MOST, "fields") ||
        !PyArg_ParseTuple(told, "sssspO", &key, &inner, &member, &form, &nullable, &absent))
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
    field->offset = free_place(self, member);
    if (field->offset < 0) return false;
    field->absent = absent == Py_Ellipsis ? NULL : Py_NewRef(absent);
    self->fields++;
    return true;
}

static bool add_constants(Reader *self, PyObject *constants) {
    PyObject *member, *value;
    Py_ssize_t at = 0;
    while (PyDict_Next(constants, &at, &member, &value)) {
        const char *name = within(self->constants, MOST, "constants") ? PyUnicode_AsUTF8(member) : NULL;
        Py_ssize_t offset = name == NULL ? -1 : free_place(self, name);
        if (offset < 0) return false;
        self->place[self->constants] = offset;
        self->constant[self->constants++] = Py_NewRef(value);
    }
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

/* An object must not have an empty place: every member is a field or a constant. */
static bool covers(const Reader *self) {
    PyObject *members = PyObject_GetAttrString((PyObject *)self->kind, "__struct_fields__");
    Py_ssize_t count = members == NULL ? -1 : PyObject_Length(members);
    Py_XDECREF(members);
    if (count == self->fields + self->constants) return true;
    if (count < 0 && !PyErr_ExceptionMatches(PyExc_AttributeError)) return false;
    PyErr_Clear();
    PyErr_Format(PyExc_TypeError, count < 0 ? "%R is no Struct" : "%R has %zd members, not as many as are filled",
                 self->kind, count);
    return false;
}

static bool fill(Reader *self, PyObject *fields, PyObject *constants, PyObject *passed) {
    if (!is_plain_type(self->kind)) {
        PyErr_Format(PyExc_TypeError, "%R is followed by the collector, or of no one size", self->kind);
        return false;
    }
    for (Py_ssize_t index = 0; index < PyTuple_GET_SIZE(fields); index++)
        if (!add_field(self, PyTuple_GET_ITEM(fields, index))) return false;
    return add_constants(self, constants) && add_passed(self, passed) && covers(self);
}

static PyObject *reader_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    static char *words[] = {"kind", "fields", "constants", "passed", "rising", NULL};
    PyObject *kind, *fields, *constants, *passed;
    int first, second;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!O!O!O!(ii)", words, &PyType_Type, &kind, &PyTuple_Type, &fields,
                                     &PyDict_Type, &constants, &PyTuple_Type, &passed, &first, &second))
        return NULL;
    Reader *self = (Reader *)type->tp_alloc(type, 0);
    if (self == NULL) return NULL;
    self->kind = (PyTypeObject *)Py_NewRef(kind);
    self->rising[0] = first;
    self->rising[1] = second;
    bool sound = fill(self, fields, constants, passed);
    if (sound && (first >= self->fields || second >= self->fields || (first >= 0) != (second >= 0))) {
        PyErr_SetString(PyExc_ValueError, "no such fields to compare");
        sound = false;
    }
    if (!sound) Py_CLEAR(self);
    return (PyObject *)self;
}

static void reader_dealloc(PyObject *object) {
    Reader *self = (Reader *)object;
    PyTypeObject *type = Py_TYPE(object);
    for (int index = 0; index < self->fields; index++) Py_CLEAR(self->field[index].absent);
    for (int index = 0; index < self->constants; index++) Py_CLEAR(self->constant[index]);
    forget(&self->known);
    Py_CLEAR(self->kind);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef reader_methods[] = {
    {"objects", reader_objects, METH_VARARGS, "objects(text, at, strict) -> (list, end) | None"},
    {"columns", reader_columns, METH_VARARGS, "columns(text, at, strict) -> (tuple of lists, end) | None"},
    {"built", reader_built, METH_O, "built(columns) -> list"},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot reader_slots[] = {
    {Py_tp_new, reader_new},
    {Py_tp_dealloc, reader_dealloc},
    {Py_tp_methods, reader_methods},
    {Py_tp_doc, "Reads arrays of plain objects."},
    {0, NULL},
};

PyType_Spec reader_spec = {
    .name = "turnkeeper.transcript._native.Reader",
    .basicsize = sizeof(Reader),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = reader_slots,
};
