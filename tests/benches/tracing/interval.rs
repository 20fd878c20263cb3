//! Ratios of pairs, and how sure they are.

/// Two-sided 95 % of Student's distribution with 1 to 30 degrees of freedom.
const T95: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];
/// The same with many.
const Z95: f64 = 1.96;

/// The mean of ratios, and the interval in which it is with 95 % confidence.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ratio {
    pub(crate) mean: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// Of pairs (what is compared, what it is compared with), in logarithms, in which twice as much is as far from the same as
/// half as much is. There must be two at least.
pub(crate) fn ratio(pairs: &[(f64, f64)]) -> Ratio {
    assert!(pairs.len() > 1, "a single pair says nothing of how sure it is");
    let count = pairs.len() as f64;
    let logs: Vec<f64> = pairs.iter().map(|(one, other)| (one / other).ln()).collect();
    let mean = logs.iter().sum::<f64>() / count;
    let variance = logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let half = T95.get(pairs.len() - 2).unwrap_or(&Z95) * (variance / count).sqrt();
    Ratio { mean: mean.exp(), low: (mean - half).exp(), high: (mean + half).exp() }
}
