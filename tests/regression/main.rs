//! One module for each bug that got as far as a running gateway, named after its symptom.

#[path = "../harness/mod.rs"]
mod harness;

mod refusal_without_its_body;
