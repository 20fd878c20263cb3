//! Compiles the protos in-process, so that a build needs no protoc.

use std::{env, error::Error, fs, path::PathBuf};

const PROTOS: [&str; 3] =
    ["tributary/options/v1/options.proto", "tributary/feed/v1/feed.proto", "tributary/query/v1/query.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=tributary");
    let mut compiler = protox::Compiler::new(["."])?;
    compiler.include_imports(true).include_source_info(true).open_files(PROTOS)?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    // Bytes, not prost structs: those would drop the custom options.
    fs::write(out.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;
    tonic_prost_build::configure().compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
