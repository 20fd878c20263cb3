//! "Did you mean": the name that was probably meant.

/// Below this similarity (Jaro-Winkler, 0 to 1) a suggestion confuses more than it helps.
const SIMILAR: f64 = 0.8;

/// The candidate most like `wanted`, if there is one alike. Dotted names are also compared by their
/// last part alone: that is what people remember.
pub(crate) fn closest<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (similarity(wanted, candidate), candidate))
        .filter(|(similarity, _)| *similarity >= SIMILAR)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// ` Did you mean ...?`, or nothing.
pub(crate) fn did_you_mean<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    closest(wanted, candidates).map(|name| format!(" Did you mean `{name}`?")).unwrap_or_default()
}

fn similarity(a: &str, b: &str) -> f64 {
    let (a, b) = (a.to_lowercase(), b.to_lowercase());
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    strsim::jaro_winkler(&last(&a), &last(&b)).max(strsim::jaro_winkler(&a, &b))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICES: [&str; 3] =
        ["shop.customers.v1.Customers", "shop.catalog.v1.Catalog", "tributary.feed.v1.ChangeFeed"];

    #[test]
    fn a_slip_finds_its_name() {
        assert_eq!(closest("shop.customer.v1.Customer", SERVICES), Some(SERVICES[0]));
        assert_eq!(closest("catalogue", SERVICES), Some(SERVICES[1]));
        assert_eq!(closest("CreateCustmer", ["GetCustomer", "CreateCustomer"]), Some("CreateCustomer"));
    }

    #[test]
    fn nothing_alike_suggests_nothing() {
        assert_eq!(closest("zzz", SERVICES), None);
        assert_eq!(did_you_mean("zzz", SERVICES), "");
    }
}
