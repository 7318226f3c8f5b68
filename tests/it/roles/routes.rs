//! Every route has a decision about who may use it, and every decision has a route.

use std::collections::BTreeSet;
use std::path::Path;

use liftwatch::http::permit::ROUTES;

use crate::city::city;

/// Method and path.
type Route = (String, String);

/// Every `.route("…", get(…).post(…))` below `src/http`.
fn written(folder: &Path, routes: &mut BTreeSet<Route>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            written(&path, routes);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for call in text.split(".route(").skip(1) {
            let call = call.trim_start();
            let Some((route, handlers)) = call.strip_prefix('"').and_then(|call| call.split_once('"')) else {
                continue;
            };
            let handlers = handlers.split([';', '}']).next().unwrap_or("");
            let handlers = handlers.split(".route(").next().unwrap_or("").split(".merge(").next().unwrap_or("");
            let mut found = false;
            for (call, method) in [("get(", "GET"), ("post(", "POST"), ("put(", "PUT"), ("delete(", "DELETE")] {
                if handlers.contains(call) {
                    routes.insert((method.to_owned(), route.to_owned()));
                    found = true;
                }
            }
            assert!(found, "{}: no method of {route} was found", path.display());
        }
    }
}

#[test]
fn every_route_of_the_source_has_a_decision_and_every_decision_a_route() {
    let mut routes = BTreeSet::new();
    written(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http"), &mut routes);
    let decided: BTreeSet<Route> =
        ROUTES.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(decided.len(), ROUTES.len(), "a route is decided twice");
    let undecided: Vec<_> = routes.difference(&decided).collect();
    let gone: Vec<_> = decided.difference(&routes).collect();
    assert!(undecided.is_empty(), "src/http/permit.rs says nothing of {undecided:?}");
    assert!(gone.is_empty(), "src/http/permit.rs decides what is no route: {gone:?}");
    assert!(routes.len() > 50, "{}", routes.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_of_the_document_has_a_decision() {
    let city = city(0).await;
    let document = super::ask("GET", &format!("{}/api/v1/openapi.json", city.address), &[], "").await;
    let document: serde_json::Value = serde_json::from_str(&document.body).unwrap();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let method = method.to_uppercase();
            let known = ROUTES.iter().any(|(its, of, _)| *its == method && of == path);
            assert!(known, "src/http/permit.rs says nothing of {method} {path}");
        }
    }
}

#[test]
fn what_needs_no_token_is_this_and_no_more() {
    let open: Vec<String> = ROUTES
        .iter()
        .filter(|(.., who)| *who == liftwatch::http::permit::Who::Everybody)
        .map(|(method, path, _)| format!("{method} {path}"))
        .collect();
    assert_eq!(
        open,
        [
            "GET /-/healthy",
            "GET /-/ready",
            "GET /style.css",
            "GET /visit.js",
            "GET /sign-in",
            "POST /sign-in",
            "POST /sign-out",
            "GET /r/{delivery}/{signature}",
            "POST /r/{delivery}/{signature}",
        ]
    );
}

/// A handler that takes the house itself sees everything. These may, and say why in their own files.
#[test]
fn only_these_files_let_a_handler_see_more_than_its_caller_may() {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read_to_string(&path).unwrap().contains(": State<Arc<Http>>") {
                found.push(path.file_name().unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    assert_eq!(found, ["admin.rs", "exposition.rs", "health.rs", "received.rs", "sign_in.rs"]);
}
