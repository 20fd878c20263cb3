//! The commands, one file each.

pub(crate) mod backup;
pub(crate) mod call;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod explain;
pub(crate) mod list;
pub(crate) mod load;
pub(crate) mod query;
pub(crate) mod restore;
pub(crate) mod status;
pub(crate) mod up;
pub(crate) mod view;
