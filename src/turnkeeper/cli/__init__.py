"""One file per verb: parse options, call the library, print. Cannot do what a caller of the library cannot."""
