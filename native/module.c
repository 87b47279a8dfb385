/* turnkeeper.jsonstream._native: the innermost loops of reading, in C. Python has an equal of everything here. It is used
   where this module was not built, and for all JSON that is not of the usual form. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>

#include "json.h"

extern PyType_Spec reader_spec;

static int add(PyObject *module, const char *name, PyType_Spec *spec) {
    PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);
    if (type == NULL) return -1;
    int done = PyModule_AddObjectRef(module, name, type);
    Py_DECREF(type);
    return done;
}

/* paired(data) -> bool */
static PyObject *module_paired(PyObject *module, PyObject *data) {
    (void)module;
    Py_buffer view;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) return NULL;
    const uint8_t *from = view.buf;
    bool paired = view.len == 0 || paired_surrogates(from, from + view.len);
    PyBuffer_Release(&view);
    return PyBool_FromLong(paired);
}

static PyMethodDef module_methods[] = {
    {"paired", module_paired, METH_O, "paired(data) -> bool: whether every escaped surrogate is part of a pair"},
    {NULL, NULL, 0, NULL},
};

static int module_exec(PyObject *module) {
    return add(module, "Reader", &reader_spec);
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, module_exec}, {0, NULL}};

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "turnkeeper.jsonstream._native",
    .m_doc = "Arrays of JSON objects as columns.",
    .m_methods = module_methods,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__native(void) {
#ifdef Py_GIL_DISABLED
    /* The caches of a reader (struct Known) have no locks of their own. */
    PyErr_SetString(PyExc_ImportError, "turnkeeper's part in C is not for Pythons without the global lock");
    return NULL;
#endif
    return PyModuleDef_Init(&module);
}
