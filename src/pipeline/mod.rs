//! The phases of a request in one ordered function.
