/* turnkeeper.transcript._native: what is read again and again, in C. Everything here has a twin in Python, which does the
   same where this was not built, and all that is not of the usual form. */
#include "slots.h"

static int add(PyObject *module, const char *name, PyType_Spec *spec) {
    PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);
    if (type == NULL) return -1;
    int done = PyModule_AddObjectRef(module, name, type);
    Py_DECREF(type);
    return done;
}

static int module_exec(PyObject *module) {
    return add(module, "Reader", &reader_spec) < 0 || add(module, "Turns", &turns_spec) < 0 ? -1 : 0;
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, module_exec}, {0, NULL}};

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "turnkeeper.transcript._native",
    .m_doc = "Arrays of JSON objects as turns.",
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__native(void) {
#ifdef Py_GIL_DISABLED
    /* What readers remember, and turns in the making, would need locks of their own. */
    PyErr_SetString(PyExc_ImportError, "turnkeeper's part in C is not for Pythons without the global lock");
    return NULL;
#endif
    return PyModuleDef_Init(&module);
}
