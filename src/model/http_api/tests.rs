//! Documents as the management API stores them, and what cannot be read.
