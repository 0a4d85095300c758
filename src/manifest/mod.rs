//! The language of the check files: from files to desired state, or to every
//! problem of every file in one pass. Pure: files come through
//! [`source::Files`], and nothing here knows the time or the environment.

pub mod diagnostic;
pub mod report;
pub mod source;

pub mod ast;
mod lower;
pub mod parse;
pub mod scan;

pub mod eval;
pub mod literal;
pub mod suggest;
pub mod values;

mod expected;
pub mod attributes;
pub mod table;

pub mod inputs;
mod read;
mod strays;
mod cores;
mod declare;
mod types;
mod variables;
mod references;
mod locals;
mod outside;
pub mod condition;
pub mod layer;
mod layering;
mod fill;
mod expand;
mod origin;
mod moves;
mod lint;

pub mod compile;
pub mod circle;
pub mod difference;
pub mod written;
pub mod examples;

pub mod format;

#[cfg(test)]
mod tests;
