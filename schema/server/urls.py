"""The paths of Django's pages. At /graphql it is the one that a browser opens; what is asked there goes to `http`."""

from django.contrib import admin
from django.urls import path

from schema.server import health
from schema.server.explorer.views import docs, explorer, home
from schema.server.together.views import together

handler400 = "schema.server.refusals.bad_request"
handler403 = "schema.server.refusals.forbidden"
handler404 = "schema.server.refusals.not_found"
handler500 = "schema.server.refusals.fault"

urlpatterns = [
    path("", home),
    path("graphql", explorer),
    path("graphql/", explorer),
    path("together", together),
    path("together/", together),
    path("docs", docs),
    path("docs/", docs),
    path("docs/<path:name>", docs),
    path("schema.graphql", health.contract),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", health.metrics),
    path("admin/", admin.site.urls),
]
