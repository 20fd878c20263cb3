//! A backup is read as it was written, or refused by name.

use std::fs;

use super::*;

fn manifest() -> Manifest {
    let identity = Identity { service: "bank".to_owned(), epoch: "e".to_owned(), head: u64::MAX, format: 2 };
    let (time, program) = ("2026-01-01T00:00:00Z".to_owned(), "1.0.0".to_owned());
    Manifest { kind: "test".to_owned(), identity, time, program }
}

fn write(path: &Path, chunks: &[&[u8]]) -> Vec<u8> {
    let _ = fs::remove_file(path);
    let mut writer = FileWriter::create(path, &manifest()).unwrap();
    chunks.iter().for_each(|chunk| writer.chunk(chunk).unwrap());
    assert_eq!(writer.finish().unwrap(), fs::metadata(path).unwrap().len());
    fs::read(path).unwrap()
}

fn read(path: &Path) -> Result<Vec<Vec<u8>>, FileError> {
    let mut reader = FileReader::open(path)?;
    assert_eq!(reader.manifest, manifest());
    let chunks = std::iter::from_fn(|| reader.next().transpose()).collect();
    assert!(reader.next().is_err() || reader.bytes() == reader.size);
    chunks
}

#[test]
fn what_was_written_is_read_and_people_can_read_what_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let whole = write(&path, &[b"one", &[7; CHUNK_LIMIT], b"\n"]);
    let chunks = read(&path).unwrap();
    assert_eq!(chunks, [b"one".to_vec(), vec![7; CHUNK_LIMIT], b"\n".to_vec()]);
    let text = String::from_utf8_lossy(&whole);
    let expected = "{\"kind\":\"test\",\"service\":\"bank\",\"epoch\":\"e\",\"head\":18446744073709551615,\
                    \"format\":2,\"time\":\"2026-01-01T00:00:00Z\",\"program\":\"1.0.0\"}";
    assert_eq!(text.lines().take(2).collect::<Vec<_>>(), ["tributary-backup 1", expected]);
    write(&path, &[]);
    assert!(read(&path).unwrap().is_empty());
}

#[test]
fn wherever_it_is_torn_it_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let whole = write(&path, &[b"one", b"two"]);
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let error = read(&path).unwrap_err();
        if length < MAGIC.len() {
            assert!(matches!(error, FileError::Foreign { .. }), "{length}: {error}");
        } else {
            let expected = format!("is torn: it ends after {length} bytes");
            assert!(error.to_string().contains(&expected), "{length}: {error}");
        }
    }
}

#[test]
fn whatever_byte_is_altered_it_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let whole = write(&path, &[b"one", b"two"]);
    for place in 0..whole.len() {
        for bit in [1, 0x80] {
            let mut altered = whole.clone();
            altered[place] ^= bit;
            fs::write(&path, &altered).unwrap();
            let refused = FileReader::open(&path).and_then(|mut reader| {
                while reader.next()?.is_some() {}
                Ok(())
            });
            assert!(refused.is_err(), "byte {place}");
        }
    }
    fs::write(&path, [whole.as_slice(), b"x"].concat()).unwrap();
    assert!(read(&path).unwrap_err().to_string().contains("it goes on behind its end"));
}

#[test]
fn other_files_and_other_versions_are_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let whole = write(&path, &[b"one"]);
    fs::write(&path, b"SQLite format 3\0").unwrap();
    let error = read(&path).unwrap_err().to_string();
    assert_eq!(error, format!("{} is no backup that `tributary backup` has written", path.display()));
    for version in ["2", "10", "x"] {
        let rest = &whole[MAGIC.len() + 1..];
        fs::write(&path, [MAGIC.as_bytes(), version.as_bytes(), rest].concat()).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains(&format!("in layout {version}, this program reads layout 1")), "{error}");
    }
    let missing = directory.path().join("missing");
    assert!(matches!(FileReader::open(&missing), Err(FileError::Io { .. })));
}
