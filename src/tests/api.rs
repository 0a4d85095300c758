//! Stories of the API: what callers of the original rely on, and what we added.

mod access;
mod checks;
mod overlay;
mod projects;
mod receivers;
mod run;
mod scopes;
mod tokens;
mod wire;
mod written;
