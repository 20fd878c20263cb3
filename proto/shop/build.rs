//! Compiles the protos in-process, so that a build needs no protoc.

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

const PROTOS: [&str; 4] = [
    "shop/customers/v1/customers.proto",
    "shop/catalog/v1/catalog.proto",
    "shop/orders/v1/orders.proto",
    "shop/insights/v1/insights.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=shop");
    println!("cargo::rerun-if-changed=../tributary/tributary");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for proto in PROTOS {
        let bytes = compiler(&[proto])?.encode_file_descriptor_set();
        let name = Path::new(proto).with_extension("bin");
        fs::write(out.join(name.file_name().ok_or("a proto without a name")?), bytes)?;
    }
    let compiler = compiler(&PROTOS)?;
    // Bytes, not prost structs: those would drop the custom options.
    fs::write(out.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;
    // So that a message can be put into an Any.
    let mut config = tonic_prost_build::Config::new();
    config.enable_type_names().type_name_domain(["."], "type.googleapis.com");
    tonic_prost_build::configure()
        .extern_path(".tributary", "::tributary_proto")
        .compile_fds_with_config(compiler.file_descriptor_set(), config)?;
    Ok(())
}

/// The files and all that they import, comments included: reflection shows them.
fn compiler(protos: &[&str]) -> Result<protox::Compiler, protox::Error> {
    let mut compiler = protox::Compiler::new([".", "../tributary"])?;
    compiler.include_imports(true).include_source_info(true).open_files(protos)?;
    Ok(compiler)
}
