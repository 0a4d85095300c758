//! The blocks of the language and what stands in each.

use lokahi::manifest::attributes::check::CHECK;
use lokahi::manifest::attributes::{DEFAULTS, FILE, TEMPLATE};
use lokahi::manifest::table::{Block, Label};

use super::super::{cell, code};

/// What stands in a block, one a line.
struct Row {
    name: &'static str,
    kind: &'static str,
    default: &'static str,
    bounds: &'static str,
    about: &'static str,
    example: &'static str,
}

fn rows(block: &'static Block) -> Vec<Row> {
    let meta = block.meta.iter().map(|meta| Row {
        name: meta.name,
        kind: meta.kind,
        default: meta.default,
        bounds: "",
        about: meta.about,
        example: meta.example,
    });
    let attributes = block.attributes.iter().map(|attribute| Row {
        name: attribute.name,
        kind: attribute.kind,
        default: attribute.default,
        bounds: attribute.bounds,
        about: attribute.about,
        example: attribute.example,
    });
    attributes.chain(meta).collect()
}

/// A default as code, unless it is described.
fn default(text: &str) -> String {
    let is_value = text.starts_with(['"', '[', '{']) || text.parse::<f64>().is_ok();
    match text {
        "" => "required".to_owned(),
        "true" | "false" => code(text),
        text if is_value => code(text),
        text => cell(text),
    }
}

fn heading(block: &Block) -> String {
    match block.label {
        Label::None => format!("`{}`", block.name),
        Label::Optional => format!("`{}`, `{} \"NAME\"`", block.name, block.name),
        Label::Name => format!("`{} \"NAME\"`", block.name),
        Label::Instance => format!(
            "`{} \"NAME\"`, `{} \"NAME\" \"KEY\"`",
            block.name, block.name
        ),
    }
}

fn write_block(out: &mut String, block: &'static Block, level: &str, place: &str) {
    out.push_str(&format!(
        "{level} {}{place}\n\n{}\n\n",
        heading(block),
        block.about
    ));
    let like_check = [DEFAULTS.name, TEMPLATE.name].contains(&block.name);
    if like_check {
        assert_eq!(
            block.attributes.len() + block.blocks.len(),
            CHECK.attributes.len() + CHECK.blocks.len()
        );
        out.push_str("Its attributes and blocks are those of `check`, but for ");
        let own: Vec<_> = CHECK.meta.iter().map(|meta| code(meta.name)).collect();
        out.push_str(&format!("{}; none is required.\n\n", own.join(" and ")));
        return;
    }
    let rows = rows(block);
    if !rows.is_empty() {
        out.push_str("| attribute | type | default | meaning | example |\n");
        out.push_str("| --- | --- | --- | --- | --- |\n");
    }
    for row in &rows {
        let bounds = match row.bounds {
            "" => String::new(),
            bounds => format!("; {bounds}"),
        };
        out.push_str(&format!(
            "| {} | {}{} | {} | {} | {} |\n",
            code(row.name),
            cell(row.kind),
            cell(&bounds),
            default(row.default),
            cell(row.about),
            code(row.example),
        ));
    }
    if !rows.is_empty() {
        out.push('\n');
    }
    for inner in block.blocks {
        write_block(out, inner, "####", &format!(" in `{}`", block.name));
    }
}

pub(super) fn blocks() -> String {
    let mut out = String::from("\n");
    for block in FILE.blocks {
        write_block(&mut out, block, "###", "");
    }
    out
}
