//! `airlock image build`: the base image, and a layer with the connector for each platform.

use std::process::ExitCode;

use super::super::ImageBuild;

pub fn build(build: ImageBuild) -> ExitCode {
    let _ = (super::base::find(build.base.as_deref(), &build.platforms), build.input, build.output, build.tag);
    let _ = (build.metadata, build.airbyte_directory, build.memory);
    unimplemented!()
}
