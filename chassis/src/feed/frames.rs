//! Cuts what the log gives into frames. Pure.

use prost::Message as _;
use tributary_proto::feed::v1 as proto;

use super::{Mark, Record};
use crate::fault::Fault;

/// Whole commands of one range of the log, less the changes that nobody asked for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Frame {
    pub(super) after: Mark,
    pub(super) through: Mark,
    pub(super) changes: Vec<proto::Change>,
}

impl Frame {
    fn behind(after: Mark) -> Self {
        Self { after, through: after, changes: Vec::new() }
    }

    fn covers_something(&self) -> bool {
        self.through.sequence > self.after.sequence
    }
}

/// Frames of at most `max_bytes` of changes each, as encoded; a single command that is larger is a frame
/// of its own. Together they cover `records` without a gap.
///
/// Whatever `records` are, no frame has a hole or ends inside a command: that would be a corrupt log, and
/// is an error here.
pub(super) fn cut(
    after: Mark,
    records: Vec<Record>,
    wanted: impl Fn(&str) -> bool,
    max_bytes: usize,
) -> Result<Vec<Frame>, Fault> {
    let mut frames = Vec::new();
    let mut frame = Frame::behind(after);
    let mut frame_bytes = 0;
    let mut command = Vec::new();
    let mut command_bytes = 0;
    let mut at = after;
    for Record { change, digest } in records {
        if change.sequence != at.sequence + 1 {
            return Err(corrupt(format!("change {} follows change {}", change.sequence, at.sequence)));
        }
        at = Mark { sequence: change.sequence, digest };
        let last_in_command = change.last_in_command;
        if wanted(&change.entity) {
            command_bytes += bytes_in_frame(&change);
            command.push(change);
        }
        if last_in_command {
            if frame.covers_something() && frame_bytes + command_bytes > max_bytes {
                let next = Frame::behind(frame.through);
                frames.push(std::mem::replace(&mut frame, next));
                frame_bytes = 0;
            }
            frame.through = at;
            frame.changes.append(&mut command);
            frame_bytes += std::mem::take(&mut command_bytes);
        }
    }
    if at != frame.through {
        return Err(corrupt(format!("a page ends inside a command, at change {}", at.sequence)));
    }
    if frame.covers_something() {
        frames.push(frame);
    }
    Ok(frames)
}

/// Rows in frames of at most `max_bytes`, as encoded; a larger row is a frame of its own.
pub(super) fn cut_rows(rows: Vec<proto::Change>, max_bytes: usize) -> Vec<Vec<proto::Change>> {
    let mut frames: Vec<Vec<proto::Change>> = Vec::new();
    let mut frame_bytes = 0;
    for row in rows {
        let bytes = bytes_in_frame(&row);
        match frames.last_mut() {
            Some(frame) if frame_bytes + bytes <= max_bytes => frame.push(row),
            _ => {
                frames.push(vec![row]);
                frame_bytes = 0;
            }
        }
        frame_bytes += bytes;
    }
    frames
}

/// A change as an element of a repeated field: its tag, its length, itself.
pub(super) fn bytes_in_frame(change: &proto::Change) -> usize {
    let bytes = change.encoded_len();
    1 + prost::length_delimiter_len(bytes) + bytes
}

fn corrupt(what: String) -> Fault {
    Fault::internal("reading the feed", format!("the log is corrupt: {what}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Commands of these sizes in changes; entity `a` or `b` by turns.
    fn records(commands: &[usize]) -> Vec<Record> {
        let mut records = Vec::new();
        for &changes in commands {
            for i in 0..changes {
                let sequence = records.len() as u64 + 1;
                let entity = if sequence.is_multiple_of(2) { "a" } else { "b" }.to_owned();
                let last_in_command = i + 1 == changes;
                let change = proto::Change { sequence, entity, last_in_command, ..Default::default() };
                records.push(Record { change, digest: sequence * 10 });
            }
        }
        records
    }

    proptest! {
        #[test]
        fn frames_cover_everything_and_end_with_commands(
            commands in prop::collection::vec(1_usize..5, 0..20),
            max_bytes in 0_usize..200,
            filtered: bool,
        ) {
            let records = records(&commands);
            let wanted = |entity: &str| !filtered || entity == "a";
            let frames = cut(Mark::default(), records.clone(), wanted, max_bytes).unwrap();
            let mut at = Mark::default();
            for frame in &frames {
                prop_assert_eq!(frame.after, at);
                prop_assert!(frame.covers_something());
                at = frame.through;
                prop_assert!(records[at.sequence as usize - 1].change.last_in_command);
                let ends = &records[frame.after.sequence as usize..at.sequence as usize];
                let commands = ends.iter().filter(|r| r.change.last_in_command).count();
                let bytes: usize = frame.changes.iter().map(bytes_in_frame).sum();
                prop_assert!(bytes <= max_bytes || commands == 1);
            }
            prop_assert_eq!(at.sequence, records.len() as u64);
            let given: Vec<_> = frames.into_iter().flat_map(|frame| frame.changes).collect();
            let asked: Vec<_> = records.into_iter().map(|r| r.change).filter(|c| wanted(&c.entity)).collect();
            prop_assert_eq!(given, asked);
        }

        #[test]
        fn rows_are_cut_by_bytes(count in 0_usize..30, max_bytes in 0_usize..60) {
            let rows: Vec<_> = records(&[count.max(1)]).into_iter().map(|r| r.change).collect();
            let frames = cut_rows(rows.clone(), max_bytes);
            for frame in &frames {
                let bytes: usize = frame.iter().map(bytes_in_frame).sum();
                prop_assert!(frame.len() == 1 || bytes <= max_bytes);
            }
            prop_assert_eq!(frames.concat(), rows);
        }
    }

    #[test]
    fn the_size_is_that_of_the_encoded_frame() {
        for value in [0, 1, 127, 128, 20_000] {
            let any = prost_types::Any { type_url: String::new(), value: vec![7; value] };
            let change = proto::Change { value: Some(any), ..Default::default() };
            let frame = proto::Changes { changes: vec![change.clone()], ..Default::default() };
            assert_eq!(bytes_in_frame(&change), frame.encoded_len());
        }
    }

    #[test]
    fn a_corrupt_log_is_not_served() {
        let mut hole = records(&[1, 1, 1]);
        hole.remove(1);
        let mut open = records(&[1, 2]);
        open.pop();
        for records in [hole, open] {
            assert!(cut(Mark::default(), records, |_| true, 1_000).is_err());
        }
    }
}
