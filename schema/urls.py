"""Every path that the server answers."""

from django.contrib import admin
from django.urls import path

from schema import health, http
from schema.explorer.views import home

urlpatterns = [
    path("", home),
    path("graphql", http.graphql),
    path("graphql/", http.graphql),
    path("schema.graphql", health.contract),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", health.metrics),
    path("admin/", admin.site.urls),
]
