/* The places of an object's members. */
#ifndef TURNKEEPER_SLOTS_H
#define TURNKEEPER_SLOTS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>
#include <structmember.h>

static inline PyObject **slot(PyObject *made, Py_ssize_t offset) { return (PyObject **)((char *)made + offset); }

/* Where a member lies in objects of a type; -1 with an exception where it is none that may be filled. */
static inline Py_ssize_t slot_offset(PyTypeObject *kind, const char *member) {
    PyObject *found = PyObject_GetAttrString((PyObject *)kind, member);
    if (found == NULL && !PyErr_ExceptionMatches(PyExc_AttributeError)) return -1;
    PyErr_Clear();
    Py_ssize_t offset = -1;
    if (found != NULL && Py_TYPE(found) == &PyMemberDescr_Type) {
        const PyMemberDef *def = ((PyMemberDescrObject *)found)->d_member;
        /* A class may bear the place of another's objects, where its own have something else or nothing. */
        if (def->type == T_OBJECT_EX && PyType_IsSubtype(kind, PyDescr_TYPE(found))) offset = def->offset;
    }
    Py_XDECREF(found);
    if (offset < 0) PyErr_Format(PyExc_TypeError, "%s is no slot of %R", member, kind);
    return offset;
}

/* Objects are made without their own `__new__`: only for types of this one size, that the collector does not follow. */
static inline bool is_plain_type(PyTypeObject *kind) {
    return kind->tp_itemsize == 0 && !PyType_HasFeature(kind, Py_TPFLAGS_HAVE_GC);
}

extern PyType_Spec reader_spec, turns_spec;

#endif
