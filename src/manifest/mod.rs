//! The language of the check files: from files to desired state, or to every
//! problem of every file in one pass. Pure: files come through
//! [`source::Files`], and nothing here knows the time or the environment.

pub mod diagnostic;
pub mod report;
pub mod source;

pub mod ast;
pub mod eval;
mod lower;
pub mod parse;
pub mod scan;

pub mod literal;
pub mod suggest;
pub mod values;

mod expected;
pub mod attributes;
pub mod table;

pub mod decode;
pub mod layer;

pub mod compile;
pub mod difference;

#[cfg(test)]
mod tests;
