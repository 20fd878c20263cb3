//! Compiles the protos in-process, so that a build needs no protoc.

use std::{env, error::Error, fs, path::PathBuf};

const PROTOS: [&str; 4] = [
    "shop/customers/v1/customers.proto",
    "shop/catalog/v1/catalog.proto",
    "shop/orders/v1/orders.proto",
    "shop/insights/v1/insights.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=shop");
    println!("cargo::rerun-if-changed=../tributary/tributary");
    let mut compiler = protox::Compiler::new([".", "../tributary"])?;
    compiler.include_imports(true).include_source_info(true).open_files(PROTOS)?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    // Bytes, not prost structs: those would drop the custom options.
    fs::write(out.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;
    tonic_prost_build::configure()
        .extern_path(".tributary", "::tributary_proto")
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
