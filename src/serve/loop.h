/* The thread that runs the web server, one socket at a time, so that it is known which connection a word of
 * the web server's log is about. */
#ifndef BL_SERVE_LOOP_H
#define BL_SERVE_LOOP_H
#include <bilens/base.h>
#include <microhttpd.h>

typedef struct bl_loop bl_loop;

/* What MHD_start_daemon needs in its flags for it. */
#define BL_LOOP_FLAGS ((unsigned)MHD_ALLOW_SUSPEND_RESUME)

/* Starts the thread. BL_ERR_IO when that cannot be. */
bl_loop *bl_loop_new(struct MHD_Daemon *daemon, bl_error *err);
/* Ends the thread; the web server is still to be stopped. NULL is allowed. */
void bl_loop_free(bl_loop *loop);
/* The loop in whose thread this is; NULL elsewhere. */
bl_loop *bl_loop_current(void);
/* After MHD_resume_connection, which only marks a connection: the thread looks at it. NULL is allowed. */
void bl_loop_wake(bl_loop *loop);
/* In the thread: the socket that is being worked on; -1 elsewhere. */
int bl_loop_socket(void);
#endif
