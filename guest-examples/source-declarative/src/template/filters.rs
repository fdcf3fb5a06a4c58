//! Filters: the CDK's own and Jinja's.

use std::cmp::Ordering;

use super::evaluate::{Fault, Given, Result};
use super::operators::{self, count, index, text};
use super::value::Value;
use super::{access, digests, formatting, functions, json_text, methods, patterns, predicates};

pub const NAMES: &[&str] = &[
    "abs",
    "attr",
    "base64binascii_decode",
    "base64decode",
    "base64encode",
    "batch",
    "capitalize",
    "center",
    "count",
    "d",
    "default",
    "dictsort",
    "e",
    "escape",
    "first",
    "float",
    "forceescape",
    "format",
    "groupby",
    "hash",
    "hmac",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "regex_replace",
    "regex_search",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "slice",
    "sort",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "truncate",
    "unique",
    "upper",
    "urlencode",
    "wordcount",
];

/// What Jinja has, and this connector does not.
pub const UNSUPPORTED: &[&str] = &["filesizeformat", "pprint", "random", "striptags", "urlize", "wordwrap", "xmlattr"];

pub fn apply<'a>(name: &str, of: Value<'a>, given: Given<'a>) -> Result<Value<'a>> {
    Ok(match name {
        "hash" | "hmac" | "base64encode" | "base64decode" | "base64binascii_decode" => {
            digests::apply(name, &of, given)?
        }
        "regex_search" | "regex_replace" => patterns::apply(name, &of, given)?,
        "string" => {
            given.bind([], 0)?;
            // The CDK wraps JSON so that its literal is a text.
            if of.as_text().is_some() {
                of
            } else {
                Value::text(format!("\"\"\"{}\"\"\"", json_text::dumps(&of, false)?))
            }
        }
        "d" | "default" => {
            let [default, of_false] = given.bind(["default_value", "boolean"], 0)?;
            let is_default = matches!(of, Value::Undefined(_))
                || (of_false.is_some_and(|of_false| of_false.is_true()) && !of.is_true());
            if is_default { default.unwrap_or(Value::text("")) } else { of }
        }
        "int" => int(&of, given)?,
        "float" => {
            let [default] = given.bind(["default"], 0)?;
            match (&of, float(&of)) {
                (Value::Undefined(what), _) => return Err(Fault::Undefined(what.to_string())),
                (_, Some(float)) => Value::Float(float),
                _ => default.unwrap_or(Value::Float(0.0)),
            }
        }
        // Python's own functions know nothing of Jinja's undefined values.
        "abs" => match of {
            Value::Undefined(_) => return Err(undefined_number()),
            Value::Float(float) => Value::Float(float.abs()),
            of => Value::Int(index(&of)?.abs()),
        },
        "round" => round(&of, given)?,
        "length" | "count" => {
            let length = of.length().ok_or_else(|| Fault::type_of(&of, "something with a length"))?;
            Value::Int(i128::try_from(length).unwrap_or_default())
        }
        "attr" => {
            let [name] = given.bind(["name"], 1)?;
            let name = name.unwrap_or(Value::None).to_text()?;
            // Only attributes, no items.
            if of.is_mapping() && !methods::is_method(&of, &name) {
                Value::undefined(format!("the {} has no attribute {name}", of.type_name()))
            } else {
                access::attribute(&of, &name)?
            }
        }
        "first" | "last" => {
            given.bind([], 0)?;
            let elements = elements(&of)?;
            let found = if name == "first" { elements.into_iter().next() } else { elements.into_iter().next_back() };
            found.unwrap_or_else(|| Value::undefined(format!("there is no {name} item")))
        }
        "list" => Value::list(elements(&of)?),
        "items" => match &of {
            Value::Undefined(_) => Value::list(Vec::new()),
            of => {
                let entries = of.entries().ok_or_else(|| Fault::Type("items are wanted of no mapping".to_owned()))?;
                Value::list(entries.into_iter().map(|(key, value)| Value::tuple(vec![key, value])).collect())
            }
        },
        "reverse" => match &of {
            Value::Text(text) => Value::text(text.chars().rev().collect::<String>()),
            of => {
                let elements = of.iterate().ok_or_else(|| Fault::Other("there is nothing to reverse".to_owned()))?;
                Value::list(elements.into_iter().rev().collect())
            }
        },
        "join" => join(&of, given)?,
        "sum" => {
            let [attribute, start] = given.bind(["attribute", "start"], 0)?;
            let mut sum = start.unwrap_or(Value::Int(0));
            for element in elements(&of)? {
                sum = operators::arithmetic(
                    sum,
                    super::syntax::Operator::Plus,
                    attribute_of(element, attribute.as_ref())?,
                )?;
            }
            sum
        }
        "min" | "max" => {
            let [is_exact, attribute] = given.bind(["case_sensitive", "attribute"], 0)?;
            let is_exact = is_exact.is_some_and(|is_exact| is_exact.is_true());
            let wanted = if name == "max" { Ordering::Greater } else { Ordering::Less };
            let mut best: Option<(Value<'a>, Value<'a>)> = None;
            for element in elements(&of)? {
                let key = folded(attribute_of(element.clone(), attribute.as_ref())?, is_exact);
                match &best {
                    Some((known, _)) if operators::order(&key, known)? != Some(wanted) => {}
                    _ => best = Some((key, element)),
                }
            }
            best.map_or_else(|| Value::undefined("there is no item in an empty list"), |(_, element)| element)
        }
        "sort" | "unique" => sort_or_unique(name, &of, given)?,
        "dictsort" => dictsort(&of, given)?,
        "groupby" => groupby(&of, given)?,
        "map" => map(&of, given)?,
        "select" | "reject" => select(&of, None, given, name == "select")?,
        "selectattr" | "rejectattr" => {
            let mut given = given;
            if given.positional.is_empty() {
                return Err(Fault::Type("an attribute is missing".to_owned()));
            }
            let attribute = given.positional.remove(0);
            select(&of, Some(attribute), given, name == "selectattr")?
        }
        "batch" | "slice" => portions(name, &of, given)?,
        "tojson" => {
            let json = json_text::dumps(&of, true)?;
            let json = json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
            Value::text(json.replace('\'', "\\u0027"))
        }
        "urlencode" => urlencode(&of)?,
        _ => of_text(name, &of, given)?,
    })
}

fn elements<'a>(of: &Value<'a>) -> Result<Vec<Value<'a>>> {
    of.iterate().ok_or_else(|| Fault::type_of(of, "a list"))
}

/// None of what is false: some filters do not look at it, whatever it is.
fn elements_of_true<'a>(of: &Value<'a>) -> Result<Vec<Value<'a>>> {
    if of.is_true() { elements(of) } else { Ok(Vec::new()) }
}

/// Filters that take anything as a text, but for two.
fn of_text<'a>(name: &str, of: &Value<'a>, given: Given<'a>) -> Result<Value<'a>> {
    match (name, of) {
        ("indent" | "truncate", Value::None | Value::Bool(_) | Value::Int(_) | Value::Float(_))
        | ("indent", Value::Undefined(_)) => return Err(Fault::type_of(of, "a str")),
        _ => {}
    }
    let shown = of.to_text()?;
    Ok(Value::text(match name {
        "lower" => shown.to_lowercase(),
        "upper" => shown.to_uppercase(),
        "capitalize" => methods::capitalize(&shown),
        "title" => {
            let mut out = String::new();
            let mut is_within = false;
            for character in shown.chars() {
                if is_within {
                    out.extend(character.to_lowercase());
                } else {
                    out.extend(character.to_uppercase());
                }
                is_within = !character.is_whitespace() && !matches!(character, '-' | '(' | '{' | '[' | '<');
            }
            out
        }
        "trim" => {
            let [what] = given.bind(["chars"], 0)?;
            return methods::call(
                &Value::text(shown),
                "strip",
                Given { positional: what.into_iter().collect(), named: Vec::new() },
            );
        }
        "replace" => {
            let [old, new, times] = given.bind(["old", "new", "count"], 2)?;
            let old = old.unwrap_or(Value::None).to_text()?;
            let new = new.unwrap_or(Value::None).to_text()?;
            match times {
                None | Some(Value::None) => methods::text_replaced(&shown, &old, &new, usize::MAX)?,
                // Below zero are all.
                Some(times) => {
                    methods::text_replaced(&shown, &old, &new, usize::try_from(index(&times)?).unwrap_or(usize::MAX))?
                }
            }
        }
        "format" => {
            let values = if given.named.is_empty() {
                Value::tuple(given.positional)
            } else {
                Value::dict(given.named.into_iter().map(|(name, value)| (Value::text(name), value)).collect())
            };
            formatting::percent(&shown, &values)?
        }
        "center" => {
            let [width] = given.bind(["width"], 0)?;
            let positional = vec![width.unwrap_or(Value::Int(80))];
            return methods::call(&Value::text(shown), "center", Given { positional, named: Vec::new() });
        }
        "indent" => {
            let [width, first, blank] = given.bind(["width", "first", "blank"], 0)?;
            let indent = match width {
                None => "    ".to_owned(),
                Some(Value::Text(text)) => text.into_owned(),
                Some(width) => " ".repeat(count(&width)?.min(10_000)),
            };
            let is_true = |value: &Option<Value<'_>>| value.as_ref().is_some_and(Value::is_true);
            let mut out = String::new();
            for (at, line) in shown.split('\n').enumerate() {
                if at > 0 {
                    out.push('\n');
                }
                let is_indented = if at == 0 { is_true(&first) } else { !line.is_empty() || is_true(&blank) };
                if is_indented {
                    out.push_str(&indent);
                }
                out.push_str(line);
                methods::short_enough(Some(out.len()))?;
            }
            out
        }
        "truncate" => truncate(&shown, given)?,
        "wordcount" => {
            let words =
                shown.split(|next: char| !next.is_alphanumeric() && next != '_').filter(|word| !word.is_empty());
            return Ok(Value::Int(i128::try_from(words.count()).unwrap_or_default()));
        }
        "e" | "escape" | "forceescape" => shown
            .replace('&', "&amp;")
            .replace('>', "&gt;")
            .replace('<', "&lt;")
            .replace('\'', "&#39;")
            .replace('"', "&#34;"),
        "safe" => shown,
        name => return Err(Fault::Other(format!("there is no filter {name}"))),
    }))
}

fn truncate(shown: &str, given: Given<'_>) -> Result<String> {
    let [length, is_exact, end, leeway] = given.bind(["length", "killwords", "end", "leeway"], 0)?;
    let length = length.map_or(Ok(255), |length| count(&length))?;
    let leeway = match leeway {
        None | Some(Value::None) => 5,
        Some(leeway) => count(&leeway)?,
    };
    let end = end.map_or_else(|| Ok("...".to_owned()), |end| end.to_text())?;
    if shown.chars().count() <= length.saturating_add(leeway) {
        return Ok(shown.to_owned());
    }
    let kept = length.saturating_sub(end.chars().count());
    let cut: String = shown.chars().take(kept).collect();
    let is_exact = is_exact.is_some_and(|is_exact| is_exact.is_true());
    let cut = if is_exact { cut.as_str() } else { cut.rsplit_once(' ').map_or(cut.as_str(), |(before, _)| before) };
    Ok(format!("{cut}{end}"))
}

/// Python's `int` of a text, of some base.
fn int_of_text(text: &str, base: u32) -> Option<i128> {
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix(['+', '-']) {
        Some(digits) => (if text.starts_with('-') { -1 } else { 1 }, digits),
        None => (1, text),
    };
    let prefix = match base {
        16 => Some(['x', 'X']),
        8 => Some(['o', 'O']),
        2 => Some(['b', 'B']),
        _ => None,
    };
    let digits = match prefix.and_then(|prefix| digits.strip_prefix('0')?.strip_prefix(prefix)) {
        Some(digits) => digits.strip_prefix('_').unwrap_or(digits),
        None => digits,
    };
    let is_number = !digits.starts_with('_') && !digits.ends_with('_') && !digits.contains("__");
    let digits = digits.replace('_', "");
    if !is_number || digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(base)) {
        return None;
    }
    i128::from_str_radix(&digits, base).ok().map(|int| sign * int)
}

/// Python's `int` of a text.
pub fn python_int(text: &str) -> Option<i128> {
    int_of_text(text, 10)
}

/// Python's `float` of a value. None where it raises an error.
fn float(of: &Value<'_>) -> Option<f64> {
    match of {
        Value::Text(text) => python_float(text),
        of => of.as_float(),
    }
}

/// Python's `float` of a text.
pub fn python_float(text: &str) -> Option<f64> {
    let text = text.trim();
    let is_number = !text.starts_with('_')
        && !text.ends_with('_')
        && !text.contains("__")
        && !text.contains("_.")
        && !text.contains("._");
    is_number.then(|| text.replace('_', "").parse().ok()).flatten()
}

fn int<'a>(of: &Value<'a>, given: Given<'a>) -> Result<Value<'a>> {
    let [default, base] = given.bind(["default", "base"], 0)?;
    let base = base.map(|base| index(&base)).transpose()?.unwrap_or(10);
    let base = u32::try_from(base).ok().filter(|base| (2..=36).contains(base));
    let base = base.ok_or_else(|| Fault::Other("the base of a number must be one of 2 to 36".to_owned()))?;
    if let Value::Undefined(what) = of {
        return Err(Fault::Undefined(what.to_string()));
    }
    let whole = match of {
        Value::Text(text) => int_of_text(text, base),
        of => of.as_int(),
    };
    #[expect(clippy::cast_possible_truncation, reason = "what is larger has no digits left")]
    let whole = whole.or_else(|| float(of).filter(|float| float.is_finite()).map(|float| float as i128));
    Ok(whole.map(Value::Int).or(default).unwrap_or(Value::Int(0)))
}

/// Python's `abs` and `round` know nothing of what is undefined in Jinja.
fn undefined_number() -> Fault {
    Fault::Type("a number is wanted, and there is none".to_owned())
}

fn round<'a>(of: &Value<'a>, given: Given<'a>) -> Result<Value<'a>> {
    let [precision, method] = given.bind(["precision", "method"], 0)?;
    let precision = precision.map(|precision| index(&precision)).transpose()?.unwrap_or(0);
    let precision = i32::try_from(precision.clamp(-400, 400)).unwrap_or_default();
    let method = method.map_or_else(|| Ok("common".to_owned()), |method| method.to_text())?;
    if method == "common" && matches!(of, Value::Undefined(_)) {
        return Err(undefined_number());
    }
    let float = of.as_float().ok_or_else(|| Fault::type_of(of, "a number"))?;
    let scale = 10_f64.powi(precision);
    match method.as_str() {
        "ceil" => Ok(Value::Float((float * scale).ceil() / scale)),
        "floor" => Ok(Value::Float((float * scale).floor() / scale)),
        "common" => {
            if let Some(int) = of.as_int() {
                if precision >= 0 {
                    return Ok(Value::Int(int));
                }
                let unit = 10_i128.checked_pow(precision.unsigned_abs());
                let Some(unit) = unit else { return Ok(Value::Int(0)) };
                let rest = int.rem_euclid(unit);
                let below = int - rest;
                let is_up = rest * 2 > unit || (rest * 2 == unit && (below / unit) % 2 != 0);
                return Ok(Value::Int(if is_up { below + unit } else { below }));
            }
            if precision < 0 {
                return Ok(Value::Float((float * scale).round_ties_even() / scale));
            }
            let decimals = usize::try_from(precision).unwrap_or_default();
            Ok(Value::Float(format!("{float:.decimals$}").parse().unwrap_or(float)))
        }
        _ => Err(Fault::Other("the method of round must be one of common, ceil, floor".to_owned())),
    }
}

/// A value's attribute by a path: `a.b.0`. The value itself without one.
fn attribute_of<'a>(of: Value<'a>, path: Option<&Value<'a>>) -> Result<Value<'a>> {
    match path {
        None | Some(Value::None) => Ok(of),
        Some(Value::Text(path)) => path.split('.').try_fold(of, |of, part| {
            let key = match part.parse::<i128>() {
                Ok(index) if part.bytes().all(|byte| byte.is_ascii_digit()) => Value::Int(index),
                _ => Value::text(part.to_owned()),
            };
            access::item(&of, &key)
        }),
        Some(index) => access::item(&of, index),
    }
}

/// What upper and lower case make no difference to.
fn folded<'a>(of: Value<'a>, is_exact: bool) -> Value<'a> {
    match of {
        Value::Text(text) if !is_exact => Value::text(text.to_lowercase()),
        of => of,
    }
}

fn join<'a>(of: &Value<'a>, given: Given<'a>) -> Result<Value<'a>> {
    let [separator, attribute] = given.bind(["d", "attribute"], 0)?;
    let separator = separator.map_or_else(|| Ok(String::new()), |separator| separator.to_text())?;
    let mut out = String::new();
    for (at, element) in elements(of)?.into_iter().enumerate() {
        if at > 0 {
            out.push_str(&separator);
        }
        attribute_of(element, attribute.as_ref())?.write_text(&mut out)?;
        methods::short_enough(Some(out.len()))?;
    }
    Ok(Value::text(out))
}

fn sort_or_unique<'a>(name: &str, of: &Value<'a>, given: Given<'a>) -> Result<Value<'a>> {
    let (reverse, is_exact, attribute) = if name == "sort" {
        let [reverse, is_exact, attribute] = given.bind(["reverse", "case_sensitive", "attribute"], 0)?;
        (reverse, is_exact, attribute)
    } else {
        let [is_exact, attribute] = given.bind(["case_sensitive", "attribute"], 0)?;
        (None, is_exact, attribute)
    };
    let is_exact = is_exact.is_some_and(|is_exact| is_exact.is_true());
    let mut keyed = Vec::new();
    for element in elements(of)? {
        let key = match attribute.as_ref().and_then(Value::as_text).filter(|paths| paths.contains(',')) {
            Some(paths) => {
                let keys = paths.split(',').map(|path| {
                    let path = Value::text(path.to_owned());
                    Ok(folded(attribute_of(element.clone(), Some(&path))?, is_exact))
                });
                Value::list(keys.collect::<Result<_>>()?)
            }
            None => folded(attribute_of(element.clone(), attribute.as_ref())?, is_exact),
        };
        keyed.push((key, element));
    }
    if name == "sort" {
        let is_reverse = reverse.is_some_and(|reverse| reverse.is_true());
        // Equal ones keep their order in both directions.
        if is_reverse {
            keyed.reverse();
        }
        operators::sort(&mut keyed, |(key, _)| key)?;
        if is_reverse {
            keyed.reverse();
        }
    } else {
        let mut unique: Vec<(Value<'a>, Value<'a>)> = Vec::new();
        for (key, element) in keyed {
            if !unique.iter().any(|(known, _)| known.equals(&key)) {
                unique.push((key, element));
            }
        }
        keyed = unique;
    }
    Ok(Value::list(keyed.into_iter().map(|(_, element)| element).collect()))
}

fn dictsort<'a>(of: &Value<'a>, given: Given<'a>) -> Result<Value<'a>> {
    let [is_exact, by, reverse] = given.bind(["case_sensitive", "by", "reverse"], 0)?;
    let is_exact = is_exact.is_some_and(|is_exact| is_exact.is_true());
    let by = by.map_or_else(|| Ok("key".to_owned()), |by| by.to_text())?;
    if !matches!(by.as_str(), "key" | "value") {
        return Err(Fault::Other("a dict is sorted by key or by value".to_owned()));
    }
    let mut keyed = Vec::new();
    for (key, value) in of.entries().ok_or_else(|| not_sorted(of))? {
        let by = if by == "key" { key.clone() } else { value.clone() };
        keyed.push((folded(by, is_exact), Value::tuple(vec![key, value])));
    }
    let is_reverse = reverse.is_some_and(|reverse| reverse.is_true());
    if is_reverse {
        keyed.reverse();
    }
    operators::sort(&mut keyed, |(key, _)| key)?;
    if is_reverse {
        keyed.reverse();
    }
    Ok(Value::list(keyed.into_iter().map(|(_, entry)| entry).collect()))
}

/// Python asks for an attribute then, and that is no TypeError.
fn not_sorted(of: &Value<'_>) -> Fault {
    match of {
        Value::Undefined(what) => Fault::Undefined(what.to_string()),
        other => Fault::Other(format!("{} has no entries to sort", other.type_name())),
    }
}

fn groupby<'a>(of: &Value<'a>, given: Given<'a>) -> Result<Value<'a>> {
    let [attribute, default, is_exact] = given.bind(["attribute", "default", "case_sensitive"], 1)?;
    let is_exact = is_exact.is_some_and(|is_exact| is_exact.is_true());
    let mut keyed = Vec::new();
    for element in elements(of)? {
        let key = match (attribute_of(element.clone(), attribute.as_ref())?, &default) {
            (Value::Undefined(_), Some(default)) => default.clone(),
            (key, _) => key,
        };
        keyed.push((folded(key.clone(), is_exact), key, element));
    }
    operators::sort(&mut keyed, |(folded, ..)| folded)?;
    let mut groups: Vec<(Value<'a>, Value<'a>, Vec<Value<'a>>)> = Vec::new();
    for (folded, key, element) in keyed {
        match groups.last_mut() {
            Some((known, _, elements)) if known.equals(&folded) => elements.push(element),
            _ => groups.push((folded, key, vec![element])),
        }
    }
    Ok(Value::list(
        groups.into_iter().map(|(_, key, elements)| Value::tuple(vec![key, Value::list(elements)])).collect(),
    ))
}

fn map<'a>(of: &Value<'a>, mut given: Given<'a>) -> Result<Value<'a>> {
    let mut mapped = Vec::new();
    let elements = elements_of_true(of)?;
    if given.positional.is_empty() {
        let [attribute, default] = given.bind(["attribute", "default"], 1)?;
        for element in elements {
            let value = attribute_of(element, attribute.as_ref())?;
            mapped.push(match (value, &default) {
                (Value::Undefined(_), Some(default)) => default.clone(),
                (value, _) => value,
            });
        }
        return Ok(Value::list(mapped));
    }
    let name = given.positional.remove(0);
    let name = text(&name)?;
    if !NAMES.contains(&name) {
        return Err(Fault::Other(format!("there is no filter {name}")));
    }
    for element in elements {
        mapped.push(apply(name, element, again(&given))?);
    }
    Ok(Value::list(mapped))
}

fn again<'a>(given: &Given<'a>) -> Given<'a> {
    Given { positional: given.positional.clone(), named: given.named.clone() }
}

fn select<'a>(of: &Value<'a>, attribute: Option<Value<'a>>, mut given: Given<'a>, wanted: bool) -> Result<Value<'a>> {
    let test = if given.positional.is_empty() { None } else { Some(given.positional.remove(0)) };
    let mut selected = Vec::new();
    for element in elements_of_true(of)? {
        let value = attribute_of(element.clone(), attribute.as_ref())?;
        let holds = match &test {
            None => value.is_true(),
            Some(test) => predicates::holds(text(test)?, &value, again(&given))?,
        };
        if holds == wanted {
            selected.push(element);
        }
    }
    Ok(Value::list(selected))
}

/// Lists of so many elements, and so many lists.
fn portions<'a>(name: &str, of: &Value<'a>, given: Given<'a>) -> Result<Value<'a>> {
    let [size, fill] = given.bind(["count", "fill_with"], 1)?;
    let size = size.map(|size| count(&size)).transpose()?.unwrap_or_default().clamp(1, 10_000);
    let fill = fill.filter(|fill| !matches!(fill, Value::None));
    let elements = elements(of)?;
    let mut portions: Vec<Vec<Value<'a>>> = Vec::new();
    if name == "batch" {
        portions = elements.chunks(size).map(<[_]>::to_vec).collect();
        if let (Some(last), Some(fill)) = (portions.last_mut(), fill) {
            last.resize(size, fill);
        }
    } else {
        let each = elements.len() / size;
        let with_one_more = elements.len() % size;
        let mut rest = elements.into_iter();
        for portion in 0..size {
            let is_longer = portion < with_one_more;
            let mut taken: Vec<_> = rest.by_ref().take(each + usize::from(is_longer)).collect();
            if !is_longer {
                taken.extend(fill.clone());
            }
            portions.push(taken);
        }
    }
    Ok(Value::list(portions.into_iter().map(Value::list).collect()))
}

fn urlencode<'a>(of: &Value<'a>) -> Result<Value<'a>> {
    let pairs = match of {
        of if of.is_mapping() => of.entries().unwrap_or_default(),
        of if of.is_list() || matches!(of, Value::Tuple(_)) => {
            let mut pairs = Vec::new();
            for pair in elements(of)? {
                match elements(&pair)?.as_slice() {
                    [name, value] => pairs.push((name.clone(), value.clone())),
                    _ => return Err(Fault::Other("a list is no list of pairs".to_owned())),
                }
            }
            pairs
        }
        of => return Ok(Value::text(functions::quote(&of.to_text()?, "/", false))),
    };
    let mut parts = Vec::new();
    for (name, value) in pairs {
        let quoted = |value: &Value<'_>| Ok(functions::quote(&value.to_text()?, "", true));
        parts.push(format!("{}={}", quoted(&name)?, quoted(&value)?));
    }
    Ok(Value::text(parts.join("&")))
}
