/* Open connections, and showing those the door that send their request, or take their answer, too slowly. A
 * connection's time without any byte is limited by the web server; who sends a byte now and then is seen
 * here. */
#ifndef BL_SERVE_GUESTS_H
#define BL_SERVE_GUESTS_H
#include <bilens/base.h>

typedef struct bl_guests bl_guests;
typedef struct bl_guest bl_guest;

/* A request must be there `seconds` after its connection, or the answer before it; an answer must be taken
 * within ten times that. */
/* When `most` are open, the one that has been sending its request for longest is closed: the next one finds a
 * place. */
bl_guests *bl_guests_new(unsigned seconds, size_t most, bl_error *err);
/* All must have left. */
void bl_guests_free(bl_guests *guests);
/* NULL when there is no memory: then nobody watches over it. */
bl_guest *bl_guest_enter(bl_guests *guests, int socket);
/* Before the socket is closed. NULL is allowed, here and below. */
void bl_guest_leave(bl_guest *guest);
/* The request is there and is being worked on, as long as that takes. */
void bl_guest_served(bl_guest *guest);
/* The answer is on its way. */
void bl_guest_answered(bl_guest *guest);
/* The answer was taken; the next request may come. */
void bl_guest_done(bl_guest *guest);
/* Whether nobody is at the other end any more. A client that has closed its sending side may still want its
 * answer; a browser never does (`browser`). */
bool bl_guest_gone(const bl_guest *guest, bool browser);

/* A request whose line is there, `request` being what the web server calls it, and whose headers are not. */
void bl_guest_begins(bl_guest *guest, void *request);
/* Its headers are there. */
void bl_guest_heard(bl_guest *guest);
/* Answers the request that the web server is about to refuse by itself: the one of which `read` says that its
 * headers are there, or else the only one that has begun. Sends `text` and ends its socket's sending side, so
 * that the web server's own page is lost; false, and nothing sent, when it cannot be told which one it is. */
bool bl_guests_refuse(bl_guests *guests, bool (*read)(void *request), const char *text, size_t n);
#endif
