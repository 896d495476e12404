//! Black-box tests of the dispatcher and its receivers.
