//! The request ids of a saga's calls.

use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use tributary_chassis::timestamp::micros;

use super::Step;

/// The request id under which a step of an order is asked, however often: derived, so that a step that is
/// repeated, even by another process after a crash, is the same call to the callee.
///
/// `created` tells the order from one that had the id before and was deleted. Without it the callee would take
/// the steps of the new order for repetitions, and answer them with what it once did for the old one.
pub(crate) fn request_id(order_id: &str, created: OffsetDateTime, step: &Step) -> String {
    let mut hash = Sha256::new();
    hash.update(order_id);
    hash.update([0]);
    hash.update(micros(created).to_string());
    hash.update([0]);
    hash.update(step.name());
    let digest: [u8; 32] = hash.finalize().into();
    let digits: String = digest[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("saga-{digits}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use time::Duration;
    use tributary_chassis::{testing::NOW, validate::is_id};

    use super::*;

    /// Computed once with another implementation (Python's hashlib): a saga that is under way while its service
    /// is replaced by a newer one must go on under the same ids.
    #[test]
    fn the_request_id_is_a_contract() {
        let id = request_id("o-1", NOW, &Step::Reserve);
        assert_eq!(id, "saga-f1a47973d6482bb1e6b4b762c11a1812");
        assert!(is_id(&id));
    }

    #[test]
    fn every_part_counts() {
        let steps = [
            Step::Reserve,
            Step::Authorize { committed: false },
            Step::Commit,
            Step::Capture,
            Step::Void,
            Step::Refund,
            Step::Release,
        ];
        let ids: BTreeSet<String> = steps.iter().map(|step| request_id("o-1", NOW, step)).collect();
        assert_eq!(ids.len(), steps.len());
        let later = NOW + Duration::microseconds(1);
        let others = [request_id("o-2", NOW, &Step::Reserve), request_id("o-1", later, &Step::Reserve)];
        assert!(others.iter().all(|other| !ids.contains(other)));
    }

    #[test]
    fn what_was_done_before_makes_no_other_step() {
        let authorize = |committed| request_id("o-1", NOW, &Step::Authorize { committed });
        assert_eq!(authorize(false), authorize(true));
    }
}
