/* Turns that were read, made whole where they lie: who spoke, times from time zero, what the document says of all. */
#include "slots.h"

typedef struct {
    PyObject_HEAD
    PyTypeObject *kind;
    int64_t epoch;    /* a larger number is epoch milliseconds, a smaller one an offset */
    int64_t furthest; /* milliseconds beyond this are no time within a conversation */
    Py_ssize_t text, role, start, end, speaker, channel, communication, language, sentiment, duplicate, index;
} Turns;

static inline void set(PyObject *turn, Py_ssize_t offset, PyObject *value) {
    PyObject **place = slot(turn, offset), *old = *place;
    *place = Py_NewRef(value);
    Py_XDECREF(old);
}

/* What a place holds; an empty one (somebody deleted what was there) counts as None. */
static inline PyObject *held(PyObject *turn, Py_ssize_t offset) {
    PyObject *value = *slot(turn, offset);
    return value ? value : Py_None;
}

static bool set_whole(PyObject *turn, Py_ssize_t offset, int64_t value) {
    PyObject *made = PyLong_FromLongLong(value), **place = slot(turn, offset);
    if (made == NULL) return false;
    Py_XSETREF(*place, made);
    return true;
}

static PyObject *turn_at(const Turns *self, PyObject *items, Py_ssize_t at) {
    PyObject *turn = PyList_GET_ITEM(items, at);
    if (Py_TYPE(turn) == self->kind) return turn;
    PyErr_Format(PyExc_TypeError, "%R is no %R", (PyObject *)Py_TYPE(turn), self->kind);
    return NULL;
}

/* ---- speakers by name ---- */

static bool name(const Turns *self, PyObject *turn, int64_t index, PyObject *roles, PyObject *unknown) {
    PyObject *role = PyDict_GetItemWithError(roles, held(turn, self->speaker));
    if (role == NULL && PyErr_Occurred()) return false;
    set(turn, self->role, role ? role : unknown);
    return set_whole(turn, self->index, index);
}

/* named(items, first, roles, unknown, communication) */
static PyObject *turns_named(PyObject *object, PyObject *args) {
    Turns *self = (Turns *)object;
    PyObject *items, *roles, *unknown, *communication;
    long long first;
    if (!PyArg_ParseTuple(args, "O!LO!OO", &PyList_Type, &items, &first, &PyDict_Type, &roles, &unknown,
                          &communication))
        return NULL;
    for (Py_ssize_t at = 0; at < PyList_GET_SIZE(items); at++) {
        PyObject *turn = turn_at(self, items, at);
        if (turn == NULL || !name(self, turn, first + at, roles, unknown)) return NULL;
        if (communication != Py_None) set(turn, self->communication, communication);
    }
    Py_RETURN_NONE;
}

/* ---- speakers by channel and time ---- */

/* What holds for the turns of one stretch in which nobody comes or goes. */
typedef struct {
    int64_t first, base, shift, since, until;
    PyObject *answers, *communication, *language, *sentiment;
} Stretch;

static bool number(PyObject *value, int64_t *found) {
    int far;
    if (!PyLong_Check(value)) return false;
    *found = PyLong_AsLongLongAndOverflow(value, &far);
    return far == 0;
}

/* The times of a turn from time zero; false where they are not within the stretch, or cannot be right. */
static bool times(const Turns *self, PyObject *turn, const Stretch *stretch, int64_t *start, int64_t *end) {
    int64_t given, length;
    if (!number(held(turn, self->start), &given) || !number(held(turn, self->end), &length) || length < 0) return false;
    if (given > self->epoch ? __builtin_sub_overflow(given, stretch->base, start)
                            : __builtin_add_overflow(given, stretch->shift, start))
        return false;
    if (__builtin_add_overflow(*start, length, end)) return false;
    if (*start < -self->furthest || *start > self->furthest) return false;
    return stretch->since <= *start && *start < stretch->until && *end <= stretch->until;
}

static bool set_sentiment(const Turns *self, PyObject *turn, PyObject *sentiment) {
    if (PyDict_GET_SIZE(sentiment) == 0) return true;
    PyObject *found = PyDict_GetItemWithError(sentiment, held(turn, self->index));
    if (found == NULL && PyErr_Occurred()) return false;
    set(turn, self->sentiment, found ? found : Py_None);
    return true;
}

/* 1: done, 0: not one of this stretch, -1: an exception. */
static int voice(const Turns *self, PyObject *turn, const Stretch *stretch, Py_ssize_t at) {
    int64_t start, end;
    if (!times(self, turn, stretch, &start, &end)) return 0;
    PyObject *known = PyDict_GetItemWithError(stretch->answers, held(turn, self->channel));
    if (known == NULL) return PyErr_Occurred() ? -1 : 0;
    if (!PyTuple_Check(known) || PyTuple_GET_SIZE(known) != 3) {
        PyErr_SetString(PyExc_TypeError, "an answer is role, speaker and channel");
        return -1;
    }
    if (!set_whole(turn, self->start, start) || !set_whole(turn, self->end, end)) return -1;
    if (held(turn, self->index) == Py_None && !set_whole(turn, self->index, stretch->first + at)) return -1;
    set(turn, self->role, PyTuple_GET_ITEM(known, 0));
    set(turn, self->speaker, PyTuple_GET_ITEM(known, 1));
    set(turn, self->channel, PyTuple_GET_ITEM(known, 2));
    PyObject *decorated = held(turn, self->duplicate);
    if (decorated != Py_None) {
        if (PyUnicode_Check(decorated) && PyUnicode_GET_LENGTH(decorated)) set(turn, self->text, decorated);
        set(turn, self->duplicate, Py_None);
    }
    set(turn, self->communication, stretch->communication);
    set(turn, self->language, stretch->language);
    return set_sentiment(self, turn, stretch->sentiment) ? 1 : -1;
}

/* voiced(items, at, stop, (first, base, shift, since, until), answers, communication, language, sentiment) -> int */
static PyObject *turns_voiced(PyObject *object, PyObject *args) {
    Turns *self = (Turns *)object;
    PyObject *items;
    Stretch stretch;
    Py_ssize_t at, stop;
    long long first, base, shift, since, until;
    if (!PyArg_ParseTuple(args, "O!nn(LLLLL)O!OOO!", &PyList_Type, &items, &at, &stop, &first, &base, &shift, &since,
                          &until, &PyDict_Type, &stretch.answers, &stretch.communication, &stretch.language,
                          &PyDict_Type, &stretch.sentiment))
        return NULL;
    stretch.first = first, stretch.base = base, stretch.shift = shift, stretch.since = since, stretch.until = until;
    for (int done = 1; at >= 0 && at < stop && at < PyList_GET_SIZE(items); at++) {
        PyObject *turn = turn_at(self, items, at);
        done = turn == NULL ? -1 : voice(self, turn, &stretch, at);
        if (done < 0) return NULL;
        if (done == 0) break;
    }
    return PyLong_FromSsize_t(at);
}

/* ---- the object ---- */

static bool placed(Turns *self) {
    const struct {
        const char *member;
        Py_ssize_t *offset;
    } known[] = {
        {"text", &self->text},
        {"role", &self->role},
        {"start_ms", &self->start},
        {"end_ms", &self->end},
        {"speaker_id", &self->speaker},
        {"channel", &self->channel},
        {"communication", &self->communication},
        {"language", &self->language},
        {"sentiment", &self->sentiment},
        {"duplicate_of", &self->duplicate},
        {"index", &self->index},
    };
    for (size_t at = 0; at < sizeof known / sizeof known[0]; at++) {
        *known[at].offset = slot_offset(self->kind, known[at].member);
        if (*known[at].offset < 0) return false;
    }
    return true;
}

static PyObject *turns_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    static char *words[] = {"kind", "epoch", "furthest", NULL};
    PyObject *kind;
    long long epoch, furthest;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!LL", words, &PyType_Type, &kind, &epoch, &furthest)) return NULL;
    Turns *self = (Turns *)type->tp_alloc(type, 0);
    if (self == NULL) return NULL;
    self->kind = (PyTypeObject *)Py_NewRef(kind);
    self->epoch = epoch;
    self->furthest = furthest;
    if (!placed(self)) Py_CLEAR(self);
    return (PyObject *)self;
}

static void turns_dealloc(PyObject *object) {
    PyTypeObject *type = Py_TYPE(object);
    Py_CLEAR(((Turns *)object)->kind);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef turns_methods[] = {
    {"named", turns_named, METH_VARARGS, "named(items, first, roles, unknown, communication)"},
    {"voiced", turns_voiced, METH_VARARGS,
     "voiced(items, at, stop, (first, base, shift, since, until), answers, communication, language, sentiment) -> int"},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot turns_slots[] = {
    {Py_tp_new, turns_new},
    {Py_tp_dealloc, turns_dealloc},
    {Py_tp_methods, turns_methods},
    {Py_tp_doc, "Makes turns whole where they lie."},
    {0, NULL},
};

PyType_Spec turns_spec = {
    .name = "turnkeeper.transcript._native.Turns",
    .basicsize = sizeof(Turns),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = turns_slots,
};
