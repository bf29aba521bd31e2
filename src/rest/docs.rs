//! The interactive page of a façade and its descriptions.

use std::sync::Arc;

use axum::{
    Extension, Json, Router,
    extract::Path,
    http::{Uri, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use utoipa_swagger_ui::Config;

use crate::{
    access::Caller,
    error::{Code, Error},
};

/// The description, as seen from the page.
const DESCRIPTION: &str = "../swagger.json";

/// Serves descriptions by their names, to everybody or to those who may read, and Swagger UI of `swagger.json` at `docs`.
pub(super) fn add(
    mut router: Router,
    prefix: &str,
    descriptions: [(&str, serde_json::Value); 2],
    is_public: bool,
) -> Router {
    let config = Arc::new(Config::new([DESCRIPTION]).use_base_layout().validator_url("none"));
    let page = {
        let config = Arc::clone(&config);
        get(async move |asked_at: Uri| -> Result<Response, Error> {
            let folder = if asked_at.path().ends_with('/') { "./" } else { "docs/" };
            let head = format!("<head><base href=\"{folder}\">");
            Ok(Html(text(&config, "index.html")?.replacen("<head>", &head, 1)).into_response())
        })
    };
    let asset = get(async move |Path(name): Path<String>| asset(config, &name));
    for (name, description) in descriptions {
        let description = Arc::new(description);
        let described = async move |Extension(caller): Extension<Caller>| {
            if !is_public {
                caller.may_read()?;
            }
            Ok::<_, Error>(Json(description.as_ref().clone()))
        };
        router = router.route(&format!("{prefix}/{name}"), get(described));
    }
    router
        .route(&format!("{prefix}/docs"), page.clone())
        .route(&format!("{prefix}/docs/"), page)
        .route(&format!("{prefix}/docs/{{*name}}"), asset)
}

fn missing() -> Error {
    Error::new(Code::NotFound, "there is no such file")
}

fn text(config: &Arc<Config<'static>>, name: &str) -> Result<String, Error> {
    let file = utoipa_swagger_ui::serve(name, Arc::clone(config)).ok().flatten().ok_or_else(missing)?;
    Ok(String::from_utf8_lossy(&file.bytes).into_owned())
}

fn asset(config: Arc<Config<'static>>, name: &str) -> Result<Response, Error> {
    if name == "swagger-initializer.js" {
        // Swagger UI would take it relative to the address of the page, where that has no slash at its end.
        let whole = format!("new URL({DESCRIPTION:?}, document.baseURI).href");
        let script = text(&config, name)?.replacen(&format!("{DESCRIPTION:?}"), &whole, 1);
        return Ok(([(header::CONTENT_TYPE, "text/javascript")], script).into_response());
    }
    let file = utoipa_swagger_ui::serve(name, config).ok().flatten().ok_or_else(missing)?;
    Ok(([(header::CONTENT_TYPE, file.content_type)], file.bytes.into_owned()).into_response())
}
