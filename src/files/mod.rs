//! The disk: private files of our own, and folders of check files.

pub mod private;
pub mod folder;
pub mod replace;
