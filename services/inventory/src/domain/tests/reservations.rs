//! How a reservation comes about.

use super::*;
use crate::domain::reservation::MAX_LINES;

fn asked() -> Vec<Line> {
    vec![line("saw", 2), line("file", 1), line("book", 5)]
}

#[test]
fn all_lines_are_held() {
    let (mark, held) = held_mark();
    let (key, made) = stored(reservation(ReservationState::Held));
    given::<Inventory>([item("saw", 3, 1), item("file", 1, 0)]).when(reserve(asked())).then([
        becomes("StockReserved", "file", 1, 1),
        becomes("StockReserved", "saw", 3, 3),
        ("ReservationHeld", mark, Some(held)),
        ("ReservationHeld", key, Some(made)),
    ]);
}

#[test]
fn or_none_is() {
    let out = |skus: &[&str]| Rejection::OutOfStock {
        reservation_id: id(),
        skus: skus.iter().map(|name| sku(name)).collect(),
    };
    given::<Inventory>([item("saw", 3, 2), item("file", 1, 0)])
        .when(reserve(asked()))
        .then_refused(out(&["saw"]));
    given::<Inventory>([item("saw", 3, 2), item("file", 0, 0)])
        .when(reserve(asked()))
        .then_refused(out(&["file", "saw"]));
}

#[test]
fn a_sku_that_repeats_is_summed() {
    let twice = || reserve(vec![line("saw", 2), line("saw", 3)]);
    given::<Inventory>([item("saw", 4, 0)])
        .when(twice())
        .then_refused(Rejection::OutOfStock { reservation_id: id(), skus: vec![sku("saw")] });
    let (mark, held) = held_mark();
    let lines = vec![reserved("saw", 2, true), reserved("saw", 3, true)];
    let (key, made) = stored(Reservation { lines, ..reservation(ReservationState::Held) });
    given::<Inventory>([item("saw", 5, 0)]).when(twice()).then([
        becomes("StockReserved", "saw", 5, 5),
        ("ReservationHeld", mark, Some(held)),
        ("ReservationHeld", key, Some(made)),
    ]);
}

#[test]
fn what_is_not_managed_is_committed_at_once() {
    let lines = vec![reserved("book", 1_000_000, false)];
    let committed = Reservation { state: ReservationState::Committed, expire_time: None, lines };
    let (key, made) = stored(committed);
    given::<Inventory>([]).when(reserve(vec![line("book", 1_000_000)])).then([(
        "ReservationCommitted",
        key,
        Some(made),
    )]);
}

#[test]
fn the_same_again_changes_nothing() {
    for state in [ReservationState::Held, ReservationState::Committed, ReservationState::Expired] {
        given::<Inventory>([stored(reservation(state)), item("saw", 2, 2)])
            .when(reserve(asked()))
            .then_nothing();
    }
}

#[test]
fn other_lines_are_refused() {
    let fewer = asked()[..2].to_vec();
    let swapped = vec![line("file", 1), line("saw", 2), line("book", 5)];
    let more_of_one = vec![line("saw", 3), line("file", 1), line("book", 5)];
    for lines in [fewer, swapped, more_of_one] {
        given::<Inventory>([stored(reservation(ReservationState::Held))])
            .when(reserve(lines))
            .then_refused(Rejection::OtherLines { reservation_id: id() });
    }
}

#[test]
fn what_was_released_stays_so() {
    for tombstone in [Reservation::tombstone(), reservation(ReservationState::Released)] {
        given::<Inventory>([stored(tombstone), item("saw", 9, 0), item("file", 9, 0)])
            .when(reserve(asked()))
            .then_refused(Rejection::Released { reservation_id: id() });
    }
}

/// The largest: its lines are kept in two parts, and come back as one.
#[test]
fn many_lines_are_kept_in_parts() {
    let name = |i: usize| format!("{i:064}");
    for count in [LINES_PER_PART, LINES_PER_PART + 1, MAX_LINES] {
        let lines: Vec<Line> = (0..count).map(|i| line(&name(i), 1_000_000)).collect();
        let command = reserve(lines.clone());
        let states = States::<Inventory>::new([]);
        let writes = Inventory::decide(&command, &states, NOW).unwrap();
        let rest: Vec<usize> = writes
            .iter()
            .filter_map(|write| match &write.state {
                Some(State::Rest(lines)) => Some(lines.len()),
                _ => None,
            })
            .collect();
        let behind = count - LINES_PER_PART;
        assert_eq!(rest, if behind == 0 { vec![] } else { vec![behind] });
        let reads = Inventory::reads(&command);
        assert!(writes.iter().all(|write| reads.contains(&write.key)));
        let kept = writes.into_iter().filter_map(|write| Some((write.key, write.state?)));
        // The same again is what it is: it is put together whole.
        given::<Inventory>(kept).when(command).then_nothing();
    }
}

#[test]
fn lines_have_bounds() {
    let refused = |lines: Vec<Line>| violated(|violations| check_lines(&lines, violations));
    let none: Vec<String> = vec![];
    assert_eq!(refused(vec![line("saw", 1)]), none);
    assert_eq!(refused(vec![]), ["lines"]);
    assert_eq!(refused(vec![line("saw", 1); MAX_LINES]), none);
    assert_eq!(refused(vec![line("saw", 1); MAX_LINES + 1]), ["lines"]);
    assert_eq!(refused(vec![line("saw", 1_000_000), line("saw", 1_000_001)]), ["lines[1].quantity"]);
    assert_eq!(refused(vec![line("saw", 0), line("a b", 1)]), ["lines[0].quantity", "lines[1].sku"]);
    assert_eq!(refused(vec![line("saw", i64::MIN)]), ["lines[0].quantity"]);
}
