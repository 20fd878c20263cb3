//! Why a command is not done, and why a question has no answer.

use tributary_chassis::fault::{Fault, Reason};

/// Products know no rule but those of every resource.
pub(crate) use tributary_chassis::resource::Refusal as Rejection;

/// How many missing products are named: an error travels in headers, which are bounded.
const NAMED: usize = 10;

/// Products were asked for that do not exist.
#[derive(Debug)]
pub(crate) struct UnknownProducts(pub Vec<String>);

impl From<UnknownProducts> for Fault {
    fn from(UnknownProducts(skus): UnknownProducts) -> Self {
        let named = &skus[..skus.len().min(NAMED)];
        let rest = match skus.len() - named.len() {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        let message = format!("these products do not exist: `{}`{rest}", named.join("`, `"));
        Fault::new(Reason::NotFound, message).with("skus", named.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(count: usize) -> String {
        Fault::from(UnknownProducts((0..count).map(|i| format!("p{i}")).collect())).message().to_owned()
    }

    #[test]
    fn the_first_ten_are_named() {
        assert_eq!(message(1), "these products do not exist: `p0`");
        assert!(message(10).ends_with("`p9`"));
        assert!(message(12).ends_with("`p9`, and 2 more"));
    }
}
