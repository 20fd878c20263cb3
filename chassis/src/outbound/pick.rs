//! Which of several addresses is called next.

use rand::{Rng, seq::index};

use super::health::Health;

/// What there is to say for and against an address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// Its circuit is open.
    pub(super) refused: bool,
    pub(super) health: Health,
    /// An earlier attempt of this call was made there.
    pub(super) tried: bool,
    pub(super) in_flight: usize,
}

/// Of those that nobody is better than, two at random, and of these the less busy one: nearly as even as the least
/// busy of all, and callers that know the same do not all run to the same one.
pub(super) fn choose(standings: &[Standing], random: &mut impl Rng) -> Option<usize> {
    let rank = |standing: &Standing| (standing.refused, standing.health, standing.tried);
    let best = standings.iter().map(rank).min()?;
    let among: Vec<usize> = (0..standings.len()).filter(|&i| rank(&standings[i]) == best).collect();
    let two = index::sample(random, among.len(), among.len().min(2));
    two.into_iter().map(|i| among[i]).min_by_key(|&i| standings[i].in_flight)
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;

    const FINE: Standing = Standing { refused: false, health: Health::Serving, tried: false, in_flight: 0 };

    /// How often each is chosen.
    fn chosen(standings: &[Standing]) -> Vec<usize> {
        let mut counts = vec![0; standings.len()];
        let mut random = StdRng::seed_from_u64(7);
        for _ in 0..1_000 {
            counts[choose(standings, &mut random).unwrap()] += 1;
        }
        counts
    }

    #[test]
    fn the_less_busy_one_is_preferred() {
        let busy = |in_flight| Standing { in_flight, ..FINE };
        assert_eq!(chosen(&[busy(3), busy(2)]), [0, 1_000]);
        let counts = chosen(&[busy(0), busy(1), busy(2)]);
        // Each pair is as likely; the busiest loses both of its own.
        assert!(counts[0] > counts[1] && counts[1] > 0 && counts[2] == 0, "{counts:?}");
    }

    #[test]
    fn equals_are_chosen_as_often() {
        let counts = chosen(&[FINE; 4]);
        assert!(counts.iter().all(|&count| count > 150), "{counts:?}");
    }

    #[test]
    fn the_worse_are_chosen_where_nobody_is_better() {
        let of = |health| Standing { health, ..FINE };
        let better_first = [
            FINE,
            Standing { tried: true, ..FINE },
            of(Health::Unknown),
            of(Health::NotServing),
            of(Health::Lost),
            Standing { refused: true, ..FINE },
        ];
        for (i, better) in better_first.iter().enumerate() {
            // However busy it is.
            let mut standings = better_first[i..].to_vec();
            standings[0] = Standing { in_flight: 99, ..*better };
            assert_eq!(chosen(&standings)[0], 1_000, "{better:?}");
        }
        assert!(choose(&[], &mut StdRng::seed_from_u64(7)).is_none());
    }
}
