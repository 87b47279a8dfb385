/* Turns that were read, made whole where they lie: who spoke, times from time zero, what the document says of all. */
#include "slots.h"

typedef struct {
    PyObject_HEAD
    PyTypeObject *kind;
    int64_t epoch;    /* a larger number is epoch milliseconds, a smaller one an offset */
    int64_t furthest; /* milliseconds beyond this are no time within a conversation */
    Py_ssize_t text, role, start, end, speaker, channel, communication, language, sentiment, duplicate, index;
} Turns;

/* Takes over the reference to the value. What was there may run anything as it goes, and undo whatever nobody holds. */
static inline void set(PyObject *turn, Py_ssize_t offset, PyObject *value) {
    PyObject **place = slot(turn, offset), *old = *place;
    *place = value;
    Py_XDECREF(old);
}

static bool set_whole(PyObject *turn, Py_ssize_t offset, int64_t value) {
    PyObject *made = PyLong_FromLongLong(value);
    if (made != NULL) set(turn, offset, made);
    return made != NULL;
}

static bool set_index(const Turns *self, PyObject *turn, int64_t first, Py_ssize_t at) {
    int64_t index;
    if (!__builtin_add_overflow(first, (int64_t)at, &index)) return set_whole(turn, self->index, index);
    PyErr_SetString(PyExc_OverflowError, "no turn has such an index");
    return false;
}

/* A new reference, as all below. */
static PyObject *turn_at(const Turns *self, PyObject *items, Py_ssize_t at) {
    PyObject *turn = PyList_GET_ITEM(items, at);
    if (Py_TYPE(turn) == self->kind) return Py_NewRef(turn);
    PyErr_Format(PyExc_TypeError, "%R is no %R", (PyObject *)Py_TYPE(turn), self->kind);
    return NULL;
}

/* What a dictionary holds under a member of a turn. NULL: with an exception, or where it holds nothing. Both are held
   meanwhile, since a key may be anything, whose comparison may do anything. */
static PyObject *looked_up(PyObject *known, PyObject *turn, Py_ssize_t offset) {
    PyObject *key = Py_XNewRef(*slot(turn, offset));
    if (key == NULL) {
        PyErr_SetString(PyExc_AttributeError, "a member of the turn was deleted");
        return NULL;
    }
    PyObject *found = Py_XNewRef(PyDict_GetItemWithError(known, key));
    Py_DECREF(key);
    return found;
}

/* ---- speakers by name ---- */

static bool name(const Turns *self, PyObject *turn, PyObject *roles, PyObject *unknown) {
    PyObject *role = looked_up(roles, turn, self->speaker);
    if (role == NULL && PyErr_Occurred()) return false;
    set(turn, self->role, role ? role : Py_NewRef(unknown));
    return true;
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
        bool done = turn != NULL && name(self, turn, roles, unknown) && set_index(self, turn, first, at);
        if (done && communication != Py_None) set(turn, self->communication, Py_NewRef(communication));
        Py_XDECREF(turn);
        if (!done) return NULL;
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
    if (value == NULL || !PyLong_Check(value)) return false;
    *found = PyLong_AsLongLongAndOverflow(value, &far);
    return far == 0;
}

/* For `O&`: a time as near as an int64_t comes to it. A document may say any; of turns, whose own times have fifteen
   digits at most, all that lie beyond are equally far. */
static int nearest(PyObject *value, void *found) {
    int far;
    int64_t near = PyLong_AsLongLongAndOverflow(value, &far);
    if (near == -1 && far == 0 && PyErr_Occurred()) return 0;
    *(int64_t *)found = far > 0 ? INT64_MAX : far < 0 ? INT64_MIN : near;
    return 1;
}

/* The times of a turn from time zero; false where they are not within the stretch, or cannot be right. No other reason
   counts: `phrases` would go on asking about a turn that is refused here and well by its own judgement. */
static bool times(const Turns *self, PyObject *turn, const Stretch *stretch, int64_t *start, int64_t *end) {
    int64_t length;
    if (!number(*slot(turn, self->start), start) || !number(*slot(turn, self->end), &length) || length < 0) return false;
    bool far = *start > self->epoch ? __builtin_sub_overflow(*start, stretch->base, start)
                                    : __builtin_add_overflow(*start, stretch->shift, start);
    if (far || *start < -self->furthest || *start > self->furthest) return false;
    if (__builtin_add_overflow(*start, length, end)) return false;
    return stretch->since <= *start && *start < stretch->until && *end <= stretch->until;
}

static bool set_sentiment(const Turns *self, PyObject *turn, PyObject *sentiment) {
    if (PyDict_GET_SIZE(sentiment) == 0) return true;
    PyObject *found = looked_up(sentiment, turn, self->index);
    if (found == NULL && PyErr_Occurred()) return false;
    set(turn, self->sentiment, found ? found : Py_NewRef(Py_None));
    return true;
}

static void set_text(const Turns *self, PyObject *turn) {
    PyObject *decorated = *slot(turn, self->duplicate);
    if (decorated == NULL || decorated == Py_None) return;
    Py_INCREF(decorated);
    if (PyUnicode_Check(decorated) && PyUnicode_GET_LENGTH(decorated))
        set(turn, self->text, Py_NewRef(decorated));
    set(turn, self->duplicate, Py_NewRef(Py_None));
    Py_DECREF(decorated);
}

/* `known` is who speaks: role, speaker and channel. */
static bool answered(const Turns *self, PyObject *turn, const Stretch *stretch, Py_ssize_t at, PyObject *known) {
    if (!PyTuple_Check(known) || PyTuple_GET_SIZE(known) != 3) {
        PyErr_SetString(PyExc_TypeError, "an answer is role, speaker and channel");
        return false;
    }
    if (*slot(turn, self->index) == Py_None && !set_index(self, turn, stretch->first, at)) return false;
    set(turn, self->role, Py_NewRef(PyTuple_GET_ITEM(known, 0)));
    set(turn, self->speaker, Py_NewRef(PyTuple_GET_ITEM(known, 1)));
    set(turn, self->channel, Py_NewRef(PyTuple_GET_ITEM(known, 2)));
    set_text(self, turn);
    set(turn, self->communication, Py_NewRef(stretch->communication));
    set(turn, self->language, Py_NewRef(stretch->language));
    return set_sentiment(self, turn, stretch->sentiment);
}

/* 1: done, 0: not one of this stretch, -1: an exception. */
static int voice(const Turns *self, PyObject *turn, const Stretch *stretch, Py_ssize_t at) {
    int64_t start, end;
    if (!times(self, turn, stretch, &start, &end)) return 0;
    PyObject *known = looked_up(stretch->answers, turn, self->channel);
    if (known == NULL) return PyErr_Occurred() ? -1 : 0;
    bool done = answered(self, turn, stretch, at, known) && set_whole(turn, self->start, start) &&
                set_whole(turn, self->end, end);
    Py_DECREF(known);
    return done ? 1 : -1;
}

/* voiced(items, at, stop, (first, base, shift, since, until), answers, communication, language, sentiment) -> int */
static PyObject *turns_voiced(PyObject *object, PyObject *args) {
    Turns *self = (Turns *)object;
    PyObject *items;
    Stretch stretch;
    Py_ssize_t at, stop;
    long long first;
    if (!PyArg_ParseTuple(args, "O!nn(LO&O&O&O&)O!OOO!", &PyList_Type, &items, &at, &stop, &first, nearest,
                          &stretch.base, nearest, &stretch.shift, nearest, &stretch.since, nearest, &stretch.until,
                          &PyDict_Type, &stretch.answers, &stretch.communication, &stretch.language, &PyDict_Type,
                          &stretch.sentiment))
        return NULL;
    stretch.first = first;
    for (int done = 1; at >= 0 && at < stop && at < PyList_GET_SIZE(items); at++) {
        PyObject *turn = turn_at(self, items, at);
        done = turn == NULL ? -1 : voice(self, turn, &stretch, at);
        Py_XDECREF(turn);
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
    if (furthest < 0) return PyErr_Format(PyExc_ValueError, "a distance is not less than nothing");
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
