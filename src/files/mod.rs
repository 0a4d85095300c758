//! The disk: private files of our own, folders of check files, repositories, and secrets, which
//! may stand in the environment, too.

pub mod private;
pub mod folder;
pub mod replace;
pub mod bindings;
pub mod secrets;
pub mod git;
