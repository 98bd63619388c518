"""The test site's URLs."""

from __future__ import annotations

from django.urls import path

from tests.testapp import views

urlpatterns = [
    path("open/", views.open_page),
    path("photos/", views.PhotoList.as_view()),
    path("photos/<int:pk>/", views.PhotoDetail.as_view()),
    path("photos/<int:pk>/edit/", views.edit),
    path("photos/<int:pk>/aedit/", views.aedit),
    path("photos/<int:pk>/form/", views.PhotoUpdate.as_view()),
    path("photos/<int:pk>/async/", views.AsyncPhotoDetail.as_view()),
    path("photos/<int:pk>/hidden/", views.hidden),
    path("aphotos/", views.AsyncPhotoList.as_view()),
    path("aphotos/<int:pk>/", views.AsyncPhotoPage.as_view()),
    path("albums/", views.AlbumList.as_view()),
    path("aalbums/", views.AsyncAlbumList.as_view()),
    path("gallery/", views.gallery),
    path("agallery/", views.agallery),
    path("response/", views.response),
    path("unplanned/", views.unplanned),
    path("aresponse/", views.aresponse),
    path("moderate/", views.moderate),
    path("exempt/", views.exempt),
    path("plain/", views.plain),
    path("cached/", views.cached),
    path("require/<int:pk>/", views.require),
    path("boom/", views.boom),
    path("login/", views.sign_in, name="login"),
    path("accounts/login/", views.sign_in),
]
