//! Why a command is not done. Customers know no rule but those of every resource.

pub(crate) use tributary_chassis::resource::Refusal as Rejection;
