//! Which fields an update writes.

use prost_types::FieldMask;

use crate::fault::Fault;

/// The fields that an update writes, each one that can be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateMask(Vec<&'static str>);

impl UpdateMask {
    /// Every one of `writable`.
    pub fn all(writable: &[&'static str]) -> Self {
        Self(writable.to_vec())
    }

    /// What `update_mask` of a request names; all of `writable` when it is left out or `*`. Anything else
    /// is refused: an update that wrote less than the caller named would look like it had worked.
    pub fn read(mask: Option<&FieldMask>, writable: &[&'static str]) -> Result<Self, Fault> {
        let paths = mask.map_or(&[][..], |mask| &mask.paths);
        if paths.is_empty() || paths == ["*"] {
            return Ok(Self::all(writable));
        }
        let find = |path: &String| writable.iter().find(|known| *known == path).copied();
        match paths.iter().find(|path| find(path).is_none()) {
            None => Ok(Self(paths.iter().filter_map(find).collect())),
            // A caller's path is of any length: the answer shows its beginning.
            Some(unknown) => Err(Fault::field(
                "update_mask",
                format!(
                    "`{:.64}` cannot be written; what can: {}, or `*` alone for all of them",
                    unknown,
                    writable.join(", ")
                ),
            )),
        }
    }

    /// The fields.
    pub(super) fn fields(&self) -> &[&'static str] {
        &self.0
    }

    /// `value`, if the mask names `field`.
    pub fn pick<T>(&self, field: &str, value: T) -> Option<T> {
        self.0.contains(&field).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITABLE: [&str; 2] = ["colour", "power"];

    fn read(paths: &[&str]) -> Result<UpdateMask, Fault> {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        UpdateMask::read(Some(&FieldMask { paths }), &WRITABLE)
    }

    #[test]
    fn what_is_named_is_written() {
        let mask = read(&["power", "power"]).unwrap();
        assert_eq!((mask.pick("power", 1), mask.pick("colour", 1)), (Some(1), None));
    }

    #[test]
    fn left_out_means_all() {
        let all = UpdateMask::all(&WRITABLE);
        assert_eq!(UpdateMask::read(None, &WRITABLE).unwrap(), all);
        assert_eq!(read(&[]).unwrap(), all);
        assert_eq!(read(&["*"]).unwrap(), all);
    }

    #[test]
    fn what_cannot_be_written_is_refused_and_what_can_is_named() {
        for paths in [&["create_time"][..], &["colour", "etag"], &["*", "colour"], &["colour.red"], &[""]] {
            let fault = read(paths).unwrap_err();
            assert!(fault.message().ends_with("colour, power, or `*` alone for all of them"), "{fault}");
        }
    }
}
