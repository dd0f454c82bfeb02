//! What stages become.
