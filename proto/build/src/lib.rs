//! Compiles the protos of a service, in its build script, without a protoc: all that the script of a service
//! has to say is
//!
//! ```no_run
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     tributary_build::compile(".", &["reviews.proto"])
//! }
//! ```
//!
//! and the service, of the package of that proto:
//!
//! ```ignore
//! tonic::include_proto!("shop.reviews.v1");
//! pub const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("descriptors");
//! ```

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

/// Where `tributary/options/v1/options.proto` and the like are imported from.
const TRIBUTARY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tributary");

/// Compiles `protos`, which are named as they are imported below `root`; what they import lies there too, or
/// is of Tributary or Google.
///
/// Each package becomes Rust for `tonic::include_proto!`, in which every message knows its name
/// (`prost::Name`), so that it can be published. The descriptors of all of them become `descriptors`, for
/// `tonic::include_file_descriptor_set!`. The script runs again when one of the files changes.
#[allow(clippy::print_stdout, reason = "that is how a build script speaks to cargo")]
pub fn compile(root: impl AsRef<Path>, protos: &[&str]) -> Result<(), Box<dyn Error>> {
    let root = root.as_ref();
    let compiler = open(root, protos)?;
    for file in compiler.files().filter_map(|file| file.path()) {
        println!("cargo::rerun-if-changed={}", file.display());
    }
    fs::write(out_dir()?.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;
    // So that a message can be put into an Any.
    let mut config = tonic_prost_build::Config::new();
    config.enable_type_names().type_name_domain(["."], "type.googleapis.com");
    tonic_prost_build::configure()
        .extern_path(".tributary", "::tributary_proto")
        .compile_fds_with_config(compiler.file_descriptor_set(), config)?;
    Ok(())
}

/// Writes the descriptors of one of the protos and all that it imports, for
/// `tonic::include_file_descriptor_set!` under the name of the file.
pub fn describe(root: impl AsRef<Path>, proto: &str) -> Result<(), Box<dyn Error>> {
    let name = Path::new(proto).with_extension("bin");
    let name = name.file_name().ok_or("a proto without a name")?;
    fs::write(out_dir()?.join(name), open(root.as_ref(), &[proto])?.encode_file_descriptor_set())?;
    Ok(())
}

fn out_dir() -> Result<PathBuf, env::VarError> {
    Ok(PathBuf::from(env::var("OUT_DIR")?))
}

/// The files and all that they import, comments included: reflection shows them. Encoded from bytes, not from
/// prost's structs, which would drop the custom options.
fn open(root: &Path, protos: &[&str]) -> Result<protox::Compiler, protox::Error> {
    let mut compiler = protox::Compiler::new([root, Path::new(TRIBUTARY)])?;
    compiler.include_imports(true).include_source_info(true).open_files(protos)?;
    Ok(compiler)
}
