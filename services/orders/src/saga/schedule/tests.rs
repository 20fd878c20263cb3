use super::*;

fn id(n: usize) -> String {
    format!("o-{n}")
}

fn begins(n: usize) -> Option<Start> {
    Some(Start { order_id: id(n), step: None })
}

fn goes_on(n: usize, step: Step) -> Option<Start> {
    Some(Start { order_id: id(n), step: Some(step) })
}

fn unanswered(step: Step, progress: bool) -> End {
    End::Unanswered { step: Some(step), progress }
}

#[test]
fn an_order_is_worked_on_once_at_a_time() {
    let mut schedule = Schedule::new(9);
    assert_eq!(schedule.found(id(1)), begins(1));
    assert_eq!(schedule.found(id(1)), None);
    assert_eq!(schedule.written(id(1)), None);
    // It was written meanwhile, so that it is looked at once more, and then no more.
    assert_eq!(schedule.ended(id(1), End::Rests, Instant::now(), 0.0), begins(1));
    assert_eq!(schedule.ended(id(1), End::Rests, Instant::now(), 0.0), None);
    assert_eq!(schedule.found(id(1)), begins(1));
}

#[test]
fn an_order_without_an_answer_makes_room_and_comes_back() {
    let mut schedule = Schedule::new(1);
    assert_eq!(schedule.written(id(1)), begins(1));
    assert!(!schedule.has_room());
    let now = Instant::now();
    assert_eq!(schedule.ended(id(1), unanswered(Step::Commit, false), now, 0.0), None);
    assert!(schedule.has_room());
    assert_eq!(schedule.next_due(), Some(now + MIN_PAUSE));
    assert_eq!(schedule.found(id(1)), None, "it is known");
    assert_eq!(schedule.due(now), None);
    assert_eq!(schedule.due(now + MIN_PAUSE), goes_on(1, Step::Commit));
    assert_eq!((schedule.next_due(), schedule.has_room()), (None, false));
}

#[test]
fn an_order_that_is_written_does_not_wait_for_its_next_attempt() {
    let mut schedule = Schedule::new(9);
    let now = Instant::now();
    schedule.written(id(1));
    schedule.ended(id(1), unanswered(Step::Authorize { committed: false }, false), now, 0.0);
    assert_eq!(schedule.written(id(1)), goes_on(1, Step::Authorize { committed: false }));
    assert_eq!(schedule.next_due(), None);
    // Written while its step got no answer: again at once, with that step.
    assert_eq!(schedule.written(id(1)), None);
    assert_eq!(schedule.ended(id(1), unanswered(Step::Commit, false), now, 0.0), goes_on(1, Step::Commit));
}

#[test]
fn attempts_in_vain_come_ever_later_up_to_a_bound() {
    let mut schedule = Schedule::new(9);
    let now = Instant::now();
    schedule.written(id(1));
    let mut pauses = Vec::new();
    for _ in 0..40 {
        schedule.ended(id(1), unanswered(Step::Capture, false), now, 0.0);
        pauses.push((schedule.next_due().unwrap() - now).as_millis());
        schedule.due(now + 2 * MAX_PAUSE).unwrap();
    }
    assert_eq!(pauses[..7], [50, 100, 200, 400, 800, 1_600, 2_000]);
    assert!(pauses[7..].iter().all(|pause| *pause == 2_000));
    // A step further, and it counts anew.
    schedule.ended(id(1), unanswered(Step::Capture, true), now, 0.0);
    assert_eq!(schedule.next_due(), Some(now + MIN_PAUSE));
    assert_eq!(pause(40, 1.0), 2 * MAX_PAUSE);
}

#[test]
fn what_could_not_even_be_read_is_left_to_the_sweep() {
    let mut schedule = Schedule::new(9);
    schedule.written(id(1));
    let end = End::Unanswered { step: None, progress: false };
    assert_eq!(schedule.ended(id(1), end, Instant::now(), 0.0), None);
    assert_eq!(schedule.next_due(), None);
    assert_eq!(schedule.found(id(1)), begins(1));
}

#[test]
fn waiting_orders_take_no_place_and_are_bounded() {
    let mut schedule = Schedule::new(1);
    let now = Instant::now();
    for n in 0..=MAX_WAITING {
        assert!(schedule.has_room());
        assert_eq!(schedule.found(id(n)), begins(n));
        schedule.ended(id(n), unanswered(Step::Reserve, false), now, 0.0);
    }
    assert_eq!(schedule.waiting.len(), MAX_WAITING);
    assert_eq!(schedule.due.len(), MAX_WAITING);
    // The one that was too much is no worse off than after a restart.
    assert_eq!(schedule.found(id(MAX_WAITING)), begins(MAX_WAITING));
}
