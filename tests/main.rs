//! Every test of behaviour, through the public surfaces: one module per surface, each behaviour on both engines.

mod support;

mod rest_recorded;
