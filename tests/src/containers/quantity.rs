//! Amounts as Kubernetes writes them.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// Thousandths of the unit: `500m` is 500, `2` is 2000, `64Mi` is 67,108,864,000.
pub(super) fn thousandths(Quantity(text): &Quantity) -> u64 {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().unwrap_or_else(|_| panic!("`{text}` is no quantity that is read here"));
    let factor = match unit {
        "m" => 1,
        "" => 1_000,
        "k" => 1_000_000,
        "M" => 1_000_000_000,
        "G" => 1_000_000_000_000,
        "Ki" => 1_000 << 10,
        "Mi" => 1_000 << 20,
        "Gi" => 1_000 << 30,
        _ => panic!("`{text}` has a unit that is not read here"),
    };
    number * factor
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_those_of_kubernetes() {
        for (text, expected) in [("500m", 500), ("2", 2_000), ("1k", 1_000_000), ("64Mi", 67_108_864_000)] {
            assert_eq!(thousandths(&Quantity(text.to_owned())), expected, "{text}");
        }
    }
}
